"""Two packages with different files for one path: which may replace the other's, and what to do when none may."""

from collections.abc import Sequence

from imagewright.dataclass import dataclass
from imagewright.errors import LockError

OPTION = "allow_overwrite"
"""The builder option that lists them."""

_MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Overwriting:
    """``packages`` are the normalised names of those that may replace files of packages that are installed before them.

    ``listed`` are the names in the spec's own list, in its order, and ``absent`` those of them that it does not install.
    """

    packages: frozenset[str] = frozenset()
    listed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


NOBODY = Overwriting()


class Conflict(LockError):
    """IW207: two packages have different files for one path. ``kind`` is "conda " for two of conda's.

    ``second`` is installed later. ``replaceable`` is False where one of them has a folder: no layer can have both.
    """

    code = "IW207"

    def __init__(self, path: str, first: str, second: str, *, kind: str = "", replaceable: bool = True) -> None:
        super().__init__(
            f"two {kind}packages have different files for {path}",
            why=(f"one is in {first}", f"the other in {second}"),
            fix="leave one of them out, or take versions of them that can live together",
        )
        self.files = (first, second)
        self.replaceable = replaceable


def refusal(found: Sequence[tuple[Conflict, str]], overwriting: Overwriting) -> Conflict:
    """One error for all conflicts: the first, with a list that settles every one. Each comes with the later package's name."""
    for conflict, _ in found:
        if not conflict.replaceable:
            return conflict
    error = found[0][0]
    same = sum(conflict.files == error.files for conflict, _ in found)
    others = {conflict.files for conflict, _ in found} - {error.files}
    if same > 1:
        error.why = (*error.why, f"{same} of their files differ")
    if others:
        error.why = (*error.why, f"{len(others)} other pair{'s' * (len(others) > 1)} of packages, too")
    if overwriting.absent:
        names = ", ".join(overwriting.absent[:_MOST_NAMES])
        error.why = (*error.why, f'builder_options["{OPTION}"] has {names}: nothing of that name is installed here')
    named = [name for name in overwriting.listed if name not in overwriting.absent]
    names = ", ".join(f'"{name}"' for name in dict.fromkeys([*named, *(name for _, name in found)]))
    error.fix = (
        *error.fix,
        f'or let the last one in a list win, as pip does unasked: builder_options={{"{OPTION}": [{names}]}}',
    )
    return error
