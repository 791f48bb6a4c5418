"""Requests that are wrong in a way that needs no uv to see."""

import pytest

from imagewright.errors import SpecError, Where
from imagewright.packages.pypi.request import Request, check_request, place
from imagewright.packages.target import Target

WHERE = Where("app.py", 3, 'ImageSpec(packages=["numpy", "-r more.txt"])')


def test_good_requirements_pass(target: Target) -> None:
    """Names, paths and URLs alike."""
    check_request(Request(("numpy==1.26.4", "./a.whl", "a @ https://example.com/a.whl"), target))


@pytest.mark.parametrize("requirement", ["-r more.txt", " --pre", "", "  ", "numpy\n--index-url https://example.com"])
def test_options_and_several_lines_are_refused(target: Target, requirement: str) -> None:
    """uv gets a line for each entry, so that an entry can never be more than one requirement."""
    with pytest.raises(SpecError) as caught:
        check_request(Request(("numpy", requirement), target, where=WHERE))

    assert repr(requirement) in caught.value.what


def test_the_place_of_a_part() -> None:
    """The caret goes under what the line shows, else nowhere."""
    assert place(WHERE, "-r more.txt") == Where("app.py", 3, WHERE.text, "-r more.txt")
    assert place(WHERE, "pandas") == WHERE
    assert place(None, "pandas") is None
