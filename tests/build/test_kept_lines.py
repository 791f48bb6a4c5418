"""Which lines of a step's output a message shows."""

from itertools import pairwise

import pytest

from imagewright.build.kept_lines import KEPT, KeptLines


def kept(*lines: str) -> KeptLines:
    output = KeptLines()
    for line in lines:
        output.add(line)
    return output


def test_without_an_error_the_last_lines_are_shown() -> None:
    """Six of them; empty ones do not count."""
    assert kept(*"abc").shown == ("a", "b", "c")
    assert kept(*"abcdefgh", "", " ").shown == tuple("cdefgh")
    assert kept().shown == kept("").shown == ()


def test_the_first_error_is_shown_with_the_last_lines() -> None:
    """With the line before, which says why, and the one behind; however long ago it was."""
    others = [f"Setting up other{number} ..." for number in range(1000)]
    wrong = ["no user foo", "dpkg: error processing package foo (--configure):", " script returned exit status 3"]

    shown = kept(*others[:500], *wrong, *others[500:]).shown

    assert shown == (*wrong, "[...]", *others[-2:])


@pytest.mark.parametrize("behind", range(12))
def test_no_line_is_shown_twice(behind: int) -> None:
    """Wherever the error is: the lines are in their order, at most six, and a mark is where some are left out."""
    lines = ["first", "before", "x.c:1: fatal error: y.h: No such file", *(f"line {at}" for at in range(behind))]

    shown = kept(*lines).shown

    left = [line for line in shown if line != "[...]"]
    assert left == [line for line in lines if line in left]
    assert lines[2] in left
    assert left[-1] == lines[-1]
    assert len(shown) <= 6
    gaps = [at for at, line in enumerate(shown) if line == "[...]"]
    assert all(lines.index(shown[at + 1]) > lines.index(shown[at - 1]) + 1 for at in gaps)
    assert sum(lines.index(b) != lines.index(a) + 1 for a, b in pairwise(left)) == len(gaps)


@pytest.mark.parametrize(
    ("line", "speaks"),
    [
        ("E: Unable to correct problems, you have held broken packages.", True),
        ("dpkg: error processing archive a.deb (--unpack):", True),
        ("ERROR: Could not find a version", True),
        ("ModuleNotFoundError: No module named 'x'", False),
        ("0 errors, 0 warnings", False),
        ("RE: hello", False),
    ],
)
def test_what_speaks_of_an_error(line: str, speaks: bool) -> None:
    """The words with which programs begin an error; not every line in which it occurs."""
    assert (kept(line, *"abcdefg").shown[0] == line) is speaks


def test_the_last_lines_are_bounded() -> None:
    """What is searched for a missing program does not grow with the output."""
    assert kept(*map(str, range(100))).last == tuple(map(str, range(100 - KEPT, 100)))
