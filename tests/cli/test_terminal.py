"""Colour, width, and what must not reach a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagewright.cli.terminal import clean, columns, many, seconds_text, size_text, terminal_of


@pytest.mark.parametrize(
    ("environ", "is_tty", "colour"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR": "0"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colour_follows_the_conventions(environ: dict[str, str], is_tty: bool, colour: bool) -> None:
    """NO_COLOR first, then what forces it, then what the stream can."""
    assert terminal_of(environ, is_tty=is_tty).colour is colour


@pytest.mark.parametrize(
    ("environ", "is_tty", "live"),
    [({}, True, True), ({}, False, False), ({"TERM": "dumb"}, True, False), ({"CI": "true"}, True, False)],
)
def test_a_live_line_needs_a_terminal_that_somebody_watches(environ: dict[str, str], is_tty: bool, live: bool) -> None:
    """A pipe, a dumb terminal and a CI job have none."""
    assert terminal_of(environ, is_tty=is_tty).live is live


@pytest.mark.parametrize(("said", "width", "screen"), [("60", 60, 60), ("200", 84, 200), ("5", 40, 40), ("x", 84, 120)])
def test_columns_says_how_wide(said: str, width: int, screen: int) -> None:
    """COLUMNS counts, tables stay readable."""
    terminal = terminal_of({"COLUMNS": said}, is_tty=False)

    assert (terminal.width, terminal.screen) == (width, screen)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain\ttext\nlines", "plain\ttext\nlines"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJmIC8=\x07", ""),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b]unterminated", ""),
        ("good\rbad", "bad"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        ("bell\x07 null\x00 c1\x9b", "bell null c1"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("\x1b\x1b[31m", "[31m"),
    ],
)
def test_what_steers_a_terminal_is_taken_out(text: str, cleaned: str) -> None:
    """Titles, clipboards, cursor moves, carriage returns and reversed text."""
    assert clean(text) == cleaned


@given(st.text(alphabet=st.sampled_from("\x1b[]0;31mPX^_\\\x07\x9b\x9d\r\nab \x08\u202e?!"), max_size=40))
def test_no_escape_is_left_whatever_comes(text: str) -> None:
    """What is left has no ESC but in colours, and none at all without them."""
    import re

    assert "\x1b" not in clean(text)
    coloured = re.sub(r"\x1b\[[0-9;:]*m", "", clean(text, colour=True))
    assert not set(coloured) & set("\x1b\x07\x9b\x9d\r\x08\u202e")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (14_100_000, "14.1 MB"),
        (999_960, "1.0 MB"),
        (3 * 10**12, "3000.0 GB"),
    ],
)
def test_sizes_are_in_powers_of_a_thousand(size: int, text: str) -> None:
    """One digit after the point, none for bytes."""
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0.0s"), (0.05, "0.05s"), (0.4, "0.4s"), (12.34, "12.3s"), (125.0, "2m 05s")]
)
def test_seconds_are_short(seconds: float, text: str) -> None:
    """As a person says them."""
    assert seconds_text(seconds) == text


def test_columns_keep_two_spaces_apart() -> None:
    """A left side that is too long pushes the right one out, never into it."""
    assert columns("left", "right", 20) == "left           right"
    assert columns("l" * 30, "right", 20) == "l" * 30 + "  right"
    assert columns("left", "", 20) == "left"


def test_one_and_many() -> None:
    """A single one has no s."""
    assert [many(1, "layer"), many(2, "layer"), many(0, "layer")] == ["1 layer", "2 layers", "0 layers"]
