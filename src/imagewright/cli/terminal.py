"""What the terminal can do: colour, width, a live line; and what must not reach it."""

import re
from collections.abc import Mapping
from typing import Literal

from imagewright.dataclass import dataclass

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]

_CODES: Mapping[Style, str] = {"bold": "1", "dim": "2", "red": "31;1", "green": "32", "yellow": "33", "cyan": "36"}

WIDTH = 84
"""Columns that tables take at most: what stands at the right edge has to be near what it belongs to."""

SCREEN = 120
"""Columns of a stream that is no terminal: a log does not wrap."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """How text is laid out on one stream.

    ``screen`` is how many columns there are, ``width`` how many of them tables take. ``live`` says that a line may be
    drawn over.
    """

    width: int = WIDTH
    screen: int = SCREEN
    colour: bool = False
    live: bool = False

    def styled(self, text: str, *styles: Style) -> str:
        """``text`` in these styles, or as it is where there is no colour."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def terminal_of(environ: Mapping[str, str], *, is_tty: bool) -> Terminal:
    """The terminal behind a stream.

    NO_COLOR and CLICOLOR=0 take colour away, FORCE_COLOR and CLICOLOR_FORCE give it to a pipe; the first of
    NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR that is set decides. A dumb terminal and CI have no live line.

    Source: no-color.org, force-color.org, bixense.com/clicolors.
    """
    dumb = environ.get("TERM") == "dumb"
    said = environ.get("COLUMNS", "")
    width = int(said) if said.isdecimal() else 0
    if not width and is_tty:
        from shutil import get_terminal_size  # 2 ms, and a pipe has no size

        width = get_terminal_size((SCREEN, 24)).columns
    width = width or SCREEN
    screen = max(40, width)
    return Terminal(
        width=min(screen, WIDTH),
        screen=screen,
        colour=_colour(environ, is_tty and not dumb),
        live=is_tty and not dumb and not in_ci(environ),
    )


def _colour(environ: Mapping[str, str], can: bool) -> bool:
    if environ.get("NO_COLOR"):
        return False
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        if environ.get(name):
            return environ[name] not in ("0", "false")
    return can and environ.get("CLICOLOR") != "0"


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether this is a job of a continuous-integration service: nobody watches, the output is a log."""
    return environ.get("CI", "") not in ("", "0", "false")


# Colour (SGR); other CSI sequences; OSC, DCS, APC, PM and SOS strings (they set titles and clipboards); other escapes.
_ESCAPES = re.compile(r"(\x1b\[[0-9;:]*m)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b.?", re.DOTALL)
# C0 but tab and newline, DEL, C1, and the marks that turn the direction of text around. ESC is seen to by _ESCAPES.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str, *, colour: bool = False) -> str:
    """``text`` from elsewhere (a task, a package, a server) without what would steer the terminal.

    Colours stay only with ``colour``. Of a line that a carriage return draws over, the last state is kept.
    """
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    kept = _ESCAPES.sub(lambda match: match[1] or "" if colour else "", "\n".join(lines))
    return _CONTROLS.sub("", kept)


def columns(left: str, right: str, width: int) -> str:
    """``left``, and ``right`` at the right edge; two spaces between them at least."""
    return f"{left}{' ' * max(2, width - len(left) - len(right))}{right}" if right else left


def size_text(size: int) -> str:
    """A size in bytes for people, in powers of 1000: ``14.1 MB``."""
    if size < 1000:
        return f"{size} B"
    if size < 100_000:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def seconds_text(seconds: float) -> str:
    """A duration for people: ``0.05s`` below a tenth of a second, ``0.4s``, ``2m 05s`` from a minute on."""
    if seconds >= 60:
        return f"{int(seconds) // 60}m {int(seconds) % 60:02}s"
    return f"{seconds:.2f}s" if 0 < seconds < 0.1 else f"{seconds:.1f}s"


def many(number: int, noun: str) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
