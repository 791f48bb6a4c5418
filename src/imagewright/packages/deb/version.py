"""Debian version numbers and their order."""

import re
from functools import lru_cache

VersionKey = tuple[tuple[int, ...] | int, ...]

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_END = (0,)


@lru_cache(maxsize=8192)
def version_key(version: str) -> VersionKey:
    """A key that sorts as ``dpkg --compare-versions`` does. Source: Debian Policy 4.6.2, section 5.6.12.

    ``~`` comes before the end of a part, which comes before letters, which come before everything else.
    """
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return (int(epoch) if epoch.isdigit() else 0, *_part(upstream), *_part(revision))


def _part(text: str) -> VersionKey:
    # A text without its last number counts as one with 0, so every pair is whole; the end then sorts after "~".
    pairs = [(_weights(words), int(digits or 0)) for words, digits in _PARTS.findall(text) if words or digits]
    flat: list[tuple[int, ...] | int] = [item for pair in pairs or [(_END, 0)] for item in pair]
    return (*flat, _END)


def _weights(text: str) -> tuple[int, ...]:
    return (*(-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 256 for c in text), 0)


def satisfies(version: str, operator: str, wanted: str) -> bool:
    """Whether ``version`` is in the relation that ``operator`` (``<<``, ``<=``, ``=``, ``>=``, ``>>``) names."""
    ours, theirs = version_key(version), version_key(wanted)
    match operator:
        case "<<":
            return ours < theirs
        case "<=" | "<":
            return ours <= theirs
        case "=":
            return ours == theirs
        case ">=" | ">":
            return ours >= theirs
        case ">>":
            return ours > theirs
    raise ValueError(f"not a relation between versions: {operator!r}")
