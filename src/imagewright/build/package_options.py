"""``builder_options`` that speak of single packages: whose RECORD may be wrong, and who may overwrite files of others."""

from imagewright.errors import SpecError
from imagewright.spec import ImageSpec
from imagewright.spec.names import normalized_name

PACKAGE_OPTIONS = ("allow_bad_record", "allow_overwrite")


def allow_bad_record(spec: ImageSpec) -> frozenset[str]:
    """The distributions whose RECORD may be wrong: ``builder_options={"allow_bad_record": ["name"]}``."""
    return frozenset(_names(spec, "allow_bad_record"))


def allow_overwrite(spec: ImageSpec) -> tuple[str, ...]:
    """The packages that are installed after all others, in this order, so that their files win.

    ``builder_options={"allow_overwrite": ["name"]}``, for wheels and conda packages.
    """
    return _names(spec, "allow_overwrite")


def check_package_options(spec: ImageSpec) -> None:
    """See that the options are lists of names.

    Raises:
        SpecError: One is not, or says twice in which place a package comes.
    """
    for option in PACKAGE_OPTIONS:
        names = spec.builder_options.get(option, ())
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise SpecError(
                f'builder_options["{option}"] is a list of package names, not {_short(names)}',
                fix=f'builder_options={{"{option}": ["name"]}}',
                where=spec.where_of(option),
            )
    listed = allow_overwrite(spec)
    if twice := sorted({name for name in listed if listed.count(name) > 1}):
        raise SpecError(
            f'builder_options["allow_overwrite"] has {twice[0]} twice',
            why="the later a package comes in the list, the more it may overwrite",
            fix="leave one of them out",
            where=spec.where_of("allow_overwrite"),
        )


def _names(spec: ImageSpec, option: str) -> tuple[str, ...]:
    return tuple(normalized_name(name) for name in spec.builder_options.get(option, ()))


def _short(value: object) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 60 else text[:57] + "..."
