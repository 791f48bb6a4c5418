"""Sound archives of every kind that tools write are read, and say what is in them."""

import struct
import zipfile
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.packages.pypi.wheels import Ending, Part, zipped

from imagewright.packages.pypi.members import read_members
from imagewright.packages.pypi.members_archive import open_archive


def _read(folder: Path, data: bytes) -> dict[str, bytes]:
    path = folder / "archive"
    path.write_bytes(data)
    with open_archive(path, "archive") as archive:
        return {member.name: archive.read(member) for member in read_members(archive)}


@settings(max_examples=50)
@given(
    files=st.dictionaries(
        st.from_regex(r"[a-z]{1,3}(/[a-z0-9._\u00e9]{4,9}){0,3}", fullmatch=True), st.binary(max_size=900)
    ),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_what_zipfile_writes(files: dict[str, bytes], method: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Python's own archives, Unicode names among them, unless a file is a directory as well."""
    files = {name: data for name, data in files.items() if not any(other.startswith(name + "/") for other in files)}
    files["last"] = b"z"
    held = BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)

    assert _read(tmp_path_factory.mktemp("zip"), held.getvalue()) == files


def test_what_zipfile_writes_to_a_pipe(tmp_path: Path) -> None:
    """Sizes that were not known come in data descriptors, and in zip64 form when zipfile is told so."""

    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, offset: int, whence: int = 0) -> int:
            raise OSError("a pipe")

        def tell(self) -> int:
            raise OSError("a pipe")

    for force in (False, True):
        held = Pipe()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("one", "two"):
                with archive.open(name, "w", force_zip64=force) as file:
                    file.write(name.encode() * 100)

        assert _read(tmp_path, held.getvalue()) == {"one": b"one" * 100, "two": b"two" * 100}


@pytest.mark.parametrize("layout", ["<3L", "<4s3L", "<L2Q", "<4sL2Q"])
def test_data_descriptors(layout: str, tmp_path: Path) -> None:
    """With and without a signature, short and long."""
    numbers = (zlib.crc32(b"data"), 4, 4)
    descriptor = struct.pack(layout, *((b"PK\7\x08", *numbers) if "s" in layout else numbers))
    part = Part("x", b"data", method=0, flags=8, after=descriptor)

    for local in ({}, {"crc": 0, "compressed": 0, "size": 0}):
        assert _read(tmp_path, zipped([replace(part, local=local)])) == {"x": b"data"}


def test_a_comment(tmp_path: Path) -> None:
    """One that looks like nothing else is fine."""
    assert _read(tmp_path, zipped([Part("x", b"data")], Ending(comment=b"made by tests"))) == {"x": b"data"}


def test_zip64_records(tmp_path: Path) -> None:
    """An archive may carry the records for large ones without needing them."""
    assert _read(tmp_path, zipped([Part("x", b"data")], Ending(zip64={}))) == {"x": b"data"}
    assert _read(tmp_path, zipped([Part("x", b"y" * 9, method=0, extra=struct.pack("<HHQQ", 1, 16, 9, 9))])) == {
        "x": b"y" * 9
    }


@pytest.mark.parametrize(
    ("mode", "executable"),
    [(0o100644, False), (0o100755, True), (0o100010, True), (0o104755, True), (0o755, False), (0, False)],
)
def test_executable(mode: int, executable: bool, tmp_path: Path) -> None:
    """Any x bit of a regular file counts, as for pip; set-uid and the rest of the mode are left behind."""
    path = tmp_path / "archive"
    path.write_bytes(zipped([Part("x", b"", mode=mode)]))

    with open_archive(path, "archive") as archive:
        (member,) = read_members(archive)

    assert member.executable == executable


def test_directories_are_no_files(tmp_path: Path) -> None:
    """Entries for directories are checked and left out."""
    assert _read(tmp_path, zipped([Part("d/", mode=0o40755), Part("d/x", b"1"), Part("e/", mode=0, method=0)])) == {
        "d/x": b"1"
    }
