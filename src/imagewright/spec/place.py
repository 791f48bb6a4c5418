"""Where in the user's files an ImageSpec is written."""

from __future__ import annotations

import linecache
import os
import sys
from pathlib import Path

from imagewright.errors import Where, redacted

NOWHERE = Where("", 0)

_OURS = ("imagewright", "dataclasses", "copy")  # dataclasses.replace and copy.replace make specs as well
_LINES_OF_A_CALL = 60


def caller() -> Where:
    """The line, outside imagewright, that is being run: absolute file name, line and its text."""
    frame = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _OURS:
            file = frame.f_code.co_filename
            if not file.startswith("<"):
                file = os.path.abspath(file)
            text = linecache.getline(file, frame.f_lineno, frame.f_globals)
            return Where(file, frame.f_lineno, redacted(text.strip()))
        frame = frame.f_back  # type: ignore[assignment]
    return NOWHERE


def folder_of(where: Where) -> Path:
    """The folder that relative paths in a declaration start from: its file's, or the current one outside of a file."""
    return Path(where.file).parent if os.path.isfile(where.file) else Path.cwd()


def line_with(where: Where, part: str) -> Where:
    """The line of a call that starts at ``where`` on which ``part`` stands; the first line when none has it."""
    depth = 0
    for number in range(where.line, where.line + _LINES_OF_A_CALL if part and where.line else where.line):
        text = linecache.getline(where.file, number)
        if part in text:
            return Where(where.file, number, redacted(text.strip()), redacted(part))
        depth += sum(map(text.count, "([{")) - sum(map(text.count, ")]}"))
        if depth <= 0:
            break
    return where
