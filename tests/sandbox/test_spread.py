"""Folders of unpacked layers are spread over the disk, where the file system can."""

import os
import subprocess
from pathlib import Path

import pytest

from imagewright.sandbox.rootfs import Rootfs
from imagewright.sandbox.spread import spread


def _letters(folder: Path) -> str:
    """What e2fsprogs says of its attributes."""
    said = subprocess.run(["lsattr", "-d", str(folder)], capture_output=True, text=True, timeout=10, check=False)
    return said.stdout.split(" ")[0]


def _file_system(folder: Path) -> str:
    said = subprocess.run(
        ["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, timeout=10, check=True
    )
    return said.stdout.strip()


def test_ext4_hears_of_it(tmp_path: Path) -> None:
    """The folder is the top of a hierarchy for ext4, keeps its other attributes, and hearing it again changes nothing."""
    if _file_system(tmp_path) != "ext2/ext3":
        pytest.skip("the temporary folder is not on ext4")
    before = _letters(tmp_path)

    Rootfs(tmp_path).prepare([])
    once = _letters(tmp_path)
    spread(str(tmp_path))

    assert "T" not in before
    assert once.replace("T", "-") == before
    assert _letters(tmp_path) == once


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no /dev/shm")
def test_elsewhere_nothing_happens() -> None:
    """Neither another file system nor a folder that is not there is an error."""
    spread("/dev/shm")
    spread("/dev/shm/is-not-there")
    spread("/proc")

    assert "T" not in _letters(Path("/dev/shm"))
