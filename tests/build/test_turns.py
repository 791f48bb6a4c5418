import subprocess
import sys
from pathlib import Path

import pytest

from imagewright.build.turns import turn
from imagewright.errors import StoreError
from imagewright.events import Event, nobody
from imagewright.oci.reference import Reference

REFERENCE = Reference("localhost:30000", "demo", "v1")
HOLDER = """
import sys
from pathlib import Path
from imagewright.build.turns import turn
from imagewright.events import nobody
from imagewright.oci.reference import Reference
with turn(Reference("localhost:30000", "demo", "v1"), Path(sys.argv[1]), nobody) as waited:
    print(waited, flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    """Another process that has the turn until it is told to end, or is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "False\n"
    return process


@pytest.mark.parametrize("killed", [False, True])
def test_another_process_is_waited_for(tmp_path: Path, killed: bool) -> None:
    """The turn comes when the other process leaves it, and when it dies as well."""
    events: list[Event] = []
    other = holder(tmp_path)

    def listen(event: Event) -> None:
        events.append(event)
        if killed:
            other.kill()
        else:
            assert other.stdin is not None
            other.stdin.close()

    with turn(REFERENCE, tmp_path, listen) as waited:
        assert waited

    assert "waiting" in str(events)
    assert other.wait(30) == (-9 if killed else 0)
    assert other.stdout is not None
    other.stdout.close()
    if killed:
        assert other.stdin is not None
        other.stdin.close()


def test_other_images_are_not_waited_for(tmp_path: Path) -> None:
    """Each image has a turn of its own, and a turn that was left is free."""
    with turn(REFERENCE, tmp_path, nobody), turn(Reference("", "demo", "v1"), tmp_path, nobody) as waited:
        assert not waited
    with turn(REFERENCE, tmp_path, nobody) as again:
        assert not again


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The error names the folder and what to do."""
    (tmp_path / "cache").write_text("a file")

    with pytest.raises(StoreError, match="cannot be written"), turn(REFERENCE, tmp_path / "cache" / "locks", nobody):
        pass
