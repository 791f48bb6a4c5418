"""Digests of this machine's files, remembered while they do not change."""

import os
from pathlib import Path

import pytest

from imagewright.build.local_files import LocalFiles
from imagewright.errors import IntegrityError, LockError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of


def test_a_digest_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    """The same size, mtime and inode mean the same digest; any of them another means a new look."""
    file = tmp_path / "a.whl"
    file.write_bytes(b"one")
    before = file.stat()
    files = LocalFiles(tmp_path / "memory")

    first = files.pin(file, file.as_uri())
    with file.open("r+b") as opened:
        opened.write(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    disguised = files.pin(file, file.as_uri())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    seen = files.pin(file, file.as_uri())

    assert first == disguised == InputFile(file.as_uri(), digest_of(b"one"), 3)
    assert seen.digest == digest_of(b"two")


def test_a_broken_memory_is_no_harm(tmp_path: Path) -> None:
    """What cannot be read is found out again."""
    file = tmp_path / "a.whl"
    file.write_bytes(b"one")
    files = LocalFiles(tmp_path / "memory")
    files.pin(file, "")
    (memory,) = (tmp_path / "memory").iterdir()
    memory.write_bytes(b"\xff{")

    assert files.check(file, InputFile("", digest_of(b"one"), 3)) == file


def test_another_file_and_no_file(tmp_path: Path) -> None:
    """Both are told apart, with the path."""
    file = tmp_path / "a.whl"
    file.write_bytes(b"one")
    files = LocalFiles(tmp_path / "memory")

    with pytest.raises(IntegrityError, match=r"a\.whl is not the file that was locked"):
        files.check(file, InputFile("", digest_of(b"two"), 3))
    with pytest.raises(LockError, match="is not there"):
        files.check(tmp_path / "b.whl", InputFile("", digest_of(b"two"), 3))
    with pytest.raises(LockError, match="is not there"):
        files.check(tmp_path, InputFile("", digest_of(b"two"), 3))
