"""Runners are found by their exact names."""

from pathlib import Path

import pytest

from imagewright.errors import RunnerError
from imagewright.runners.catalog import runner_named
from imagewright.runners.inprocess import InProcessRunner
from imagewright.runners.protocol import Setup


def test_ours_come_through_the_same_door(tmp_path: Path) -> None:
    """As entry points."""
    assert isinstance(runner_named("inprocess", Setup(tmp_path, tmp_path)), InProcessRunner)


def test_a_name_that_nobody_brings(tmp_path: Path) -> None:
    """The error lists those that are there."""
    with pytest.raises(RunnerError, match="there is no runner 'Inprocess' here") as caught:
        runner_named("Inprocess", Setup(tmp_path, tmp_path))

    assert "inprocess" in caught.value.why[0]
