"""A change in a few words, for errors and progress."""

import re

from imagewright.events import Change

_SHORT = re.compile(r"[0-9a-f]{12}")


def sentence(change: Change) -> str:
    """A change in a few words: ``numpy 1.26.4 -> 2.3.5``, ``+ six 1.17.0``, ``- six 1.17.0``; a file's name says enough."""
    before, after = change.before, change.after
    if change.kind == "file" or (change.kind == "asked" and _SHORT.fullmatch(before or after)):
        return f"{change.name} changed" if before and after else f"{'+' if after else '-'} {change.name}"
    if change.kind == "asked":
        return f"{change.name}: {_arrow(before, after)}"
    name = f"{change.name}{'=' if change.kind in ('env', 'setting') else ' '}" if change.name else ""
    if before and after:
        return f"{name}{_arrow(before, after)}"
    return f"{'+' if after else '-'} {name}{before or after}"


def _arrow(before: str, after: str) -> str:
    return f"{before} -> {after}" if before and after else f"+ {after}" if after else f"- {before}"
