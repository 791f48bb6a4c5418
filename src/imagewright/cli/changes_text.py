"""What differs between two images, as few lines as it can be said in."""

from collections.abc import Mapping, Sequence

from imagewright.build.change_text import sentence
from imagewright.cli.terminal import clean
from imagewright.events import Change, Kind

LABELS: Mapping[Kind, str] = {
    "asked": "asked for",
    "base": "base",
    "debian": "debian",
    "conda": "conda",
    "package": "packages",
    "env": "env",
    "setting": "settings",
    "command": "commands",
    "file": "files",
}
"""What each kind of change is called, in the order that they are shown in."""

WIDTH = 11
_FEW = 3  # changes of one kind that get a line each; above that they are counted
_LONG = 100  # a command or a value may be a whole script


def changes_text(changes: Sequence[Change], width: int, *, whole: bool = False) -> list[str]:
    """A line for each kind of change, or for each change where they are few; with ``whole`` for each in any case."""
    lines: list[str] = []
    for kind, label in LABELS.items():
        texts = [text for group in _groups(changes, kind) for text in _texts(group, width - WIDTH, whole=whole)]
        lines += [f"{label if not at else '':<{WIDTH}}{text}" for at, text in enumerate(texts)]
    return lines


def _groups(changes: Sequence[Change], kind: Kind) -> list[list[Change]]:
    """The changes of a kind; what was asked for by its field, since each is a list of its own."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind == kind:
            groups.setdefault(change.name if kind == "asked" else "", []).append(change)
    return list(groups.values())


def _texts(changes: Sequence[Change], width: int, *, whole: bool) -> list[str]:
    words = [_words(change) for change in changes]
    if len(words) <= _FEW or whole:
        return words
    field = f"{clean(changes[0].name)}: " if changes[0].kind == "asked" else ""
    return [field + _counted(changes, [text.removeprefix(field) for text in words], width - len(field))]


def _counted(changes: Sequence[Change], words: Sequence[str], width: int) -> str:
    """How many there are, and as many of them as fit into the line: what has changed before what came and went."""
    added = sum(not change.before for change in changes)
    removed = sum(not change.after for change in changes)
    counts = {"changed": len(changes) - added - removed, "added": added, "removed": removed}
    text = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    order = sorted(range(len(words)), key=lambda at: (not changes[at].before, not changes[at].after, at))
    shown = 0
    for at in order:
        rest = f", and {len(words)} more"
        if len(text) + len(words[at]) + len(rest) + 2 > width:
            break
        text += f"{', ' if shown else ': '}{words[at]}"
        shown += 1
    return f"{text}, and {len(words) - shown} more" if 0 < shown < len(words) else text


def _words(change: Change) -> str:
    text = " ".join(clean(sentence(change)).split())
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."
