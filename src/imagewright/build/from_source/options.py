"""The ``builder_options`` that say what may be built from source, and with what."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import SpecError
from imagewright.spec import ImageSpec
from imagewright.spec.identity import BUILDING
from imagewright.spec.names import normalized_name


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """``requires`` are more build requirements by the name of the package that is built. ``network``: backends may use it."""

    only_binary: bool = False
    apt_packages: tuple[str, ...] = ()
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool = False


def build_options(spec: ImageSpec) -> BuildOptions:
    """The options of a spec.

    Raises:
        SpecError: One has a value that cannot work.
    """
    values = {name: spec.builder_options[name] for name in sorted(BUILDING) if name in spec.builder_options}
    for name, value in values.items():
        form, example = _FORMS[name]
        if not form(value):
            raise SpecError(
                f'builder_options["{name}"] cannot be {value!r}',
                fix=f'builder_options={{"{name}": {example}}}',
                where=spec.where_of(name),
            )
    return BuildOptions(
        values.get("only_binary", False),
        tuple(sorted(set(values.get("build_apt_packages", ())))),
        {normalized_name(name): tuple(lines) for name, lines in values.get("build_requires", {}).items()},
        dict(values.get("build_env", {})),
        values.get("build_network", False),
    )


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _strings(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) and one.strip() for one in value)


def _lists(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_strings(lines) for lines in value.values())


def _texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())


_FORMS = {
    "only_binary": (_flag, "True"),
    "build_apt_packages": (_strings, '["libpq-dev"]'),
    "build_requires": (_lists, '{"name": ["setuptools<70"]}'),
    "build_env": (_texts, '{"CFLAGS": "-O1"}'),
    "build_network": (_flag, "True"),
}
assert set(_FORMS) == BUILDING
