"""Places in the user's own files, for errors."""

from __future__ import annotations

import linecache
import os
import sys
from typing import Any

from imagewright.errors import Where

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def ours(file: str) -> bool:
    """Whether a frame of this file is imagewright's, or the import system's, and so not what a user wrote."""
    return file.startswith((_PACKAGE, "<frozen importlib"))


def where_called() -> Where:
    """The line of the user's that led here: the innermost frame that is not ours."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and ours(frame.f_code.co_filename):
        frame = frame.f_back
    return line_of(frame.f_code.co_filename, frame.f_lineno)


def line_of(file: str, line: int) -> Where:
    """A line, with its text where the file can be read."""
    return Where(file, line, linecache.getline(file, line).strip())
