"""An error as text: what, where with a caret, facts, what is kept, what helps; or as JSON."""

import errno
import os
import re
from pathlib import Path
from typing import Any

from imagewright.cli.terminal import Terminal, clean
from imagewright.errors import ImagewrightError, StoreError, Where, redacted

MAX_LINES = 12


def error_lines(error: ImagewrightError, terminal: Terminal, directory: Path, *, all_facts: bool = False) -> list[str]:
    """The lines of an error, at most 12 unless ``all_facts``: facts give way, help never does.

    Paths under ``directory`` are shown relative to it.
    """
    head, *more = _plain(error.what).split("\n")
    before = [
        f"{terminal.styled(f'error[{error.code}]', 'red')}{terminal.styled(':', 'bold')} {terminal.styled(head, 'bold')}",
        *(f"  {line}" for line in more),
        *_where_lines(error.where, terminal, directory),
    ]
    facts = [f"  {line}" for fact in error.why for line in _plain(fact).split("\n")]
    after = _kept_lines(error.kept, terminal) + _help_lines(error.fix, terminal)
    room = MAX_LINES - len(before) - len(after)
    if not all_facts and len(facts) > max(room, 1):
        shown = max(room - 1, 1)
        # The first facts say what was tried, the last ones how it ended: the middle is the least missed.
        first = (shown + 1) // 2
        left_out = f"  ... {len(facts) - shown} more lines: -v shows all"
        facts = [*facts[:first], terminal.styled(left_out, "dim"), *facts[len(facts) - (shown - first) :]]
    return before + facts + after


def error_json(error: ImagewrightError, directory: Path) -> dict[str, Any]:
    """The error as one JSON object: code, message, where, help, docs; and facts and kept when there are any."""
    document: dict[str, Any] = {"code": error.code, "message": redacted(error.what)}
    if error.where is not None:
        document["where"] = {"file": _shown(error.where.file, directory), "line": error.where.line}
    if error.why:
        document["facts"] = [redacted(line) for line in error.why]
    if error.kept:
        document["kept"] = redacted(error.kept)
    return {
        **document,
        "help": [redacted(line).strip() for line in error.fix],
        "docs": f"imagewright explain {error.code}",
    }


def annotation(error: ImagewrightError, directory: Path) -> str:
    """The error as a GitHub Actions workflow command, which marks the line in the pull request.

    Source: GitHub's docs, "Workflow commands for GitHub Actions", "Setting an error message".
    """
    properties: dict[str, str] = {}
    if error.where is not None:
        properties = {"file": _shown(error.where.file, directory), "line": str(error.where.line)}
    properties["title"] = error.code
    shown = ",".join(f"{name}={_escaped(value, ',:')}" for name, value in properties.items())
    return f"::error {shown}::{_escaped(_plain(error.what), '')}"


def _escaped(text: str, more: str) -> str:
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _where_lines(where: Where | None, terminal: Terminal, directory: Path) -> list[str]:
    if where is None:
        return []
    arrow = f"  --> {_shown(where.file, directory)}:{where.line}"
    source, column = _fitting(_plain(where.text), _plain(where.part), terminal.screen - len(arrow) - 2)
    lines = [f"{terminal.styled(arrow, 'cyan')}  {source}".rstrip()]
    if column >= 0:
        caret = "^" * max(1, min(len(where.part), len(source) - column))
        lines.append(" " * (len(arrow) + 2 + column) + terminal.styled(caret, "red"))
    return lines


def _fitting(text: str, part: str, width: int) -> tuple[str, int]:
    """``text`` cut so that ``part`` is seen, and the column of ``part`` in it, or -1."""
    text = re.sub(r"[\t\n]", " ", text).strip()
    column = text.find(part) if part else -1
    width = max(width, 30)
    if len(text) <= width:
        return text, column
    start = max(0, min(column - width // 3, len(text) - width)) if column > 0 else 0
    cut = ("..." if start else "") + text[start + (3 if start else 0) :]
    if len(cut) > width:
        cut = cut[: width - 3] + "..."
    return cut, column - start if column >= 0 else -1


def _kept_lines(kept: str, terminal: Terminal) -> list[str]:
    return _labelled("kept", _plain(kept).split("\n"), terminal) if kept else []


def _help_lines(fix: tuple[str, ...], terminal: Terminal) -> list[str]:
    lines: list[str] = []
    for line in fix:
        first, *more = _plain(line).split("\n")
        if first.startswith(" ") and lines:  # a second way to do what the line before says
            lines += [f"        {part.strip()}" for part in (first, *more)]
        else:
            lines += _labelled("help", [first.strip(), *more], terminal)
    return lines


def _labelled(label: str, parts: list[str], terminal: Terminal) -> list[str]:
    return [f"  {terminal.styled(label + ':', 'green')} {parts[0]}", *(f"        {part.strip()}" for part in parts[1:])]


def _plain(text: str) -> str:
    return clean(redacted(text)).rstrip()


def _shown(file: str, directory: Path) -> str:
    """``file`` relative to ``directory`` when it is in it."""
    path = Path(os.path.normpath(directory / file))
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else str(path)


def unexpected(error: BaseException) -> ImagewrightError:
    """The error to show for an exception that no floor below has turned into one of ours.

    A disk that is full, and a file that may not be used, can show at any write: their words are here, for all of them.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            "no space is left" + (f" to write {error.filename}" if error.filename else ""),
            code="IW522",
            why=error.strerror or str(error),
            kept="all that was complete before",
            fix=("imagewright cache prune", "or name folders with more space: IMAGEWRIGHT_CACHE_DIR, TMPDIR"),
        )
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
        return StoreError(
            f"{error.filename} cannot be used: {error.strerror}",
            fix="imagewright doctor says whether the cache folder can be used, `imagewright cache dir` which one it is",
        )
    said = str(error).strip().split("\n")[0]
    return ImagewrightError(
        f"imagewright failed in a way that it does not know: {type(error).__name__}" + (f": {said}" if said else ""),
        fix="this is a mistake in imagewright: run it again with -v, and report what it says",
    )
