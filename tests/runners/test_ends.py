"""What the end of a container means: for want of memory Python may be unable to say what it wanted to."""

from pathlib import Path, PurePosixPath

import pytest

from imagewright.errors import TaskError
from imagewright.runners.ends import result_of
from imagewright.runners.protocol import TaskCall
from imagewright.sandbox.bubblewrap import Ended

CALL = TaskCall("fill", "app:fill", Path("/code"), PurePosixPath("app.py"), {}, memory_bytes=64 << 20)


def ended(memory_limit: str) -> Ended:
    return Ended(1, None, False, False, False, memory_limit, 1.0)


@pytest.mark.parametrize("left", ["", "{", None])
def test_an_end_for_want_of_memory(tmp_path: Path, left: str | None) -> None:
    """Whatever the file with the error came to be, the last line on stderr says it."""
    if left is not None:
        (tmp_path / "error.json").write_text(left)

    with pytest.raises(TaskError, match="more than its 64 MiB of memory") as caught:
        result_of(CALL, ended("process"), tmp_path, ("  File x", "MemoryError"))

    assert caught.value.code == "IW312"


@pytest.mark.parametrize(("limit", "line"), [("", "MemoryError"), ("process", "ValueError: no MemoryError")])
def test_another_end_is_not_taken_for_it(tmp_path: Path, limit: str, line: str) -> None:
    """Without a limit the exception is the task's own affair."""
    with pytest.raises(TaskError) as caught:
        result_of(CALL, ended(limit), tmp_path, (line,))

    assert caught.value.code == "IW310"
