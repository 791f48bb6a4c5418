"""Packages that are broken or hostile are refused with IW303, and what is said names the package."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.layer.reading import contents
from tests.packages.conda.packages import PREFIX, stored

from imagewright.errors import BuildError
from imagewright.testing.conda import CondaFile, MadePackage, make_package

LONG = "/old/placeholder/that/is/longer/than/the/prefix"


def _rows(**changes: object) -> dict[str, Any]:
    row = {
        "_path": "share/a",
        "path_type": "hardlink",
        "sha256": hashlib.sha256(b"a").hexdigest(),
        "size_in_bytes": 1,
    }
    return {"paths_version": 1, "paths": [{**row, **changes}]}


HOSTILE: dict[str, tuple[Callable[[], MadePackage], str]] = {
    "a path out of the prefix": (lambda: make_package("p", "1", {"../../etc/passwd": b""}), "plain one"),
    "an absolute path": (lambda: make_package("p", "1", {"/etc/passwd": b""}), "plain one"),
    "a path with a control character": (lambda: make_package("p", "1", {"share/a\x1b[2J": b""}), "plain one"),
    "a listed path out of the prefix": (
        lambda: make_package("p", "1", {"share/a": b"a"}, paths=_rows(_path="../a")),
        "plain one",
    ),
    "a link out of the prefix": (lambda: make_package("p", "1", {"lib/a": CondaFile(link="../../etc")}), "out of the"),
    "an absolute link": (lambda: make_package("p", "1", {"lib/a": CondaFile(link="/etc/passwd")}), "out of the prefix"),
    "a link by way of a link": (
        lambda: make_package("p", "1", {"a/b": CondaFile(link="../c"), "a/b/d": b""}),
        "others lie below it",
    ),
    "a file that is not listed": (lambda: make_package("p", "1", {"share/a": b"a", "b": b""}, paths=_rows()), "not in"),
    "a listed file that is not there": (lambda: make_package("p", "1", {}, paths=_rows()), "is not there"),
    "another size than is listed": (
        lambda: make_package("p", "1", {"share/a": b"a"}, paths=_rows(size_in_bytes=2)),
        "2 bytes for a file of 1",
    ),
    "another content than is listed": (
        lambda: make_package("p", "1", {"share/a": b"b"}, paths=_rows()),
        "not what its digest says",
    ),
    "a link that is listed as a file": (
        lambda: make_package("p", "1", {"share/a": CondaFile(link="b")}, paths=_rows()),
        "lists as a file what is a symlink",
    ),
    "a list that is not one": (lambda: make_package("p", "1", {}, paths={"paths": 7}), "cannot be read"),
    "a record of its own": (lambda: make_package("p", "1", {"conda-meta/python-9.json": b""}), "where the records are"),
    "a command that takes python's place": (
        lambda: make_package("p", "1", {}, noarch="python", subdir="noarch", entry_points=["python3 = p:main"]),
        "is no command",
    ),
    "a command that is code": (
        lambda: make_package("p", "1", {}, noarch="python", subdir="noarch", entry_points=["p = p:main;import os"]),
        "is no command",
    ),
    "a command outside of bin": (
        lambda: make_package("p", "1", {}, noarch="python", subdir="noarch", entry_points=["../p = p:main"]),
        "is no command",
    ),
    "no room for the prefix": (
        lambda: make_package("p", "1", {"a": CondaFile(b"/old\0", placeholder="/old", mode="binary")}),
        "longer than the place",
    ),
    "cut off": (lambda: _changed(lambda data: data[: len(data) // 2]), "cannot be unpacked"),
    "cut off in bzip2": (lambda: _changed(lambda data: data[:-20], suffix=".tar.bz2"), "cannot be unpacked"),
    "a flipped bit in zstd": (lambda: _changed(_flipped), "cannot be unpacked"),
    "one more part": (lambda: _changed(lambda data: _with_part(data, "more.txt")), "it is made of"),
    "an old format's number": (
        lambda: _changed(lambda data: data.replace(b'"conda_pkg_format_version": 2', b'"conda_pkg_format_version": 9')),
        "cannot be unpacked",
    ),
    "another name inside": (lambda: _renamed(make_package("q", "1", {})), "it says that it is q 1 0"),
    "a device": (lambda: _with_entry(tarfile.CHRTYPE), "only files, folders and links"),
    "a fifo": (lambda: _with_entry(tarfile.FIFOTYPE), "only files, folders and links"),
    "a hard link to nothing": (lambda: _with_entry(tarfile.LNKTYPE, "share/none"), "it has a hard link to"),
    "a hard link out of the prefix": (lambda: _with_entry(tarfile.LNKTYPE, "../../etc/shadow"), "plain one"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_package_is_refused(what: str, tmp_path: Path) -> None:
    """By name, with the reason."""
    make, reason = HOSTILE[what]

    with pytest.raises(BuildError) as refused:
        stored([make()], tmp_path)

    assert refused.value.code == "IW303"
    assert reason in str(refused.value)
    assert "conda package p-1-0" in refused.value.what
    assert refused.value.what.isprintable()


def test_a_list_of_files_that_is_wrong_can_be_allowed(tmp_path: Path) -> None:
    """What is listed is installed as it is; what is not listed is left, as conda does."""
    package = make_package("p", "1", {"share/a": b"other", "b": b""}, paths=_rows())

    files = contents(stored([package], tmp_path, allowed=frozenset({"p"})))

    assert files[f"{PREFIX}/share/a".lstrip("/")] == b"other"
    assert f"{PREFIX}/b".lstrip("/") not in files


def test_an_old_package_has_a_list_without_digests(tmp_path: Path) -> None:
    """``files`` and ``has_prefix`` instead of ``paths.json``; hard links are second names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:bz2") as tar:
        index = {"name": "p", "version": "1", "build": "0", "build_number": 0, "depends": []}
        for name, data in {
            "bin/a": f"#!{LONG}/sh\n".encode(),
            "bin/c": b"#!/opt/anaconda1anaconda2anaconda3/sh\n",
            "info/index.json": json.dumps(index).encode(),
            "info/files": b"bin/a\nbin/b\nbin/c\n",
            "info/has_prefix": f'"{LONG}" text bin/a\nbin/c\n'.encode(),
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    package = MadePackage("p-1-0.tar.bz2", out.getvalue(), {**index, "subdir": "linux-64"})

    with pytest.raises(BuildError, match="a file that it lists is not there"):
        stored([package], tmp_path)
    files = contents(stored([_without(package, b"bin/b\n")], tmp_path))

    assert files[f"{PREFIX}/bin/a".lstrip("/")] == f"#!{PREFIX}/sh\n".encode()
    assert files[f"{PREFIX}/bin/c".lstrip("/")] == f"#!{PREFIX}/sh\n".encode()


def test_a_hard_link_is_a_second_name(tmp_path: Path) -> None:
    """Of the file that it names, which has the same content."""
    package = _with_entry(tarfile.LNKTYPE, "share/first")

    files = contents(stored([package], tmp_path))

    assert files[f"{PREFIX}/share/first".lstrip("/")] == b"a"
    assert f"{PREFIX}/share/a".lstrip("/") not in files  # a link, not a file of its own


def _changed(change: Callable[[bytes], bytes], *, suffix: str = ".conda") -> MadePackage:
    made = make_package("p", "1", {"share/a": bytes(range(256)) * 400}, suffix=suffix)
    return MadePackage(made.filename, change(made.data), made.index)


def _flipped(data: bytes) -> bytes:
    at = data.index(b"pkg-") + 60
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _with_part(data: bytes, name: str) -> bytes:
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(name, b"")
    return out.getvalue()


def _renamed(package: MadePackage) -> MadePackage:
    made = make_package("q", "1", {}, suffix=".tar.bz2")
    return MadePackage("p-1-0.tar.bz2", made.data, {**package.index, "name": "p"})


def _without(package: MadePackage, line: bytes) -> MadePackage:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(package.data)) as old,
        tarfile.open(fileobj=out, mode="w:bz2") as new,
    ):
        for entry in old:
            file = old.extractfile(entry)
            assert file is not None
            data = file.read().replace(line, b"") if entry.name == "info/files" else file.read()
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))
    return MadePackage(package.filename, out.getvalue(), package.index)


def _with_entry(kind: bytes, link: str = "") -> MadePackage:
    """A package whose ``share/a`` is something special."""
    row = _rows()["paths"][0]
    paths = {"paths_version": 1, "paths": [{**row, "_path": "share/first"}, row]}
    index = {"name": "p", "version": "1", "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:bz2") as tar:
        for name, data in {
            "info/index.json": json.dumps(index).encode(),
            "info/paths.json": json.dumps(paths).encode(),
            "share/first": b"a",
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        entry = tarfile.TarInfo("share/a")
        entry.type, entry.linkname = kind, link
        tar.addfile(entry)
    return MadePackage("p-1-0.tar.bz2", out.getvalue(), index)
