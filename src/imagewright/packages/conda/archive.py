"""Reads conda packages, strictly: what is said of the files, and the files as a stream. Nothing is written to disk."""

import bz2
import json
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal, cast

from imagewright.dataclass import dataclass
from imagewright.errors import BuildError
from imagewright.packages.conda.optional import zstd_file
from imagewright.packages.conda.paths import PackagePath, plain_path, read_paths

CHUNK = 1 << 20
MAX_INFO = 1 << 26
_MAX_MEMBERS = 1_000_000
_INFO = "info/"
_NEEDED = frozenset({"info/index.json", "info/paths.json", "info/link.json", "info/files", "info/has_prefix"})
_TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of the package's tar. ``path`` is relative to the prefix; ``link`` a symlink's text or a hard link's path."""

    path: str
    kind: Literal["file", "symlink", "hardlink", "directory"]
    executable: bool
    mtime: int
    size: int
    link: str


@dataclass(frozen=True)
class Package:
    """A package that is open; ``name`` is its file's, for error texts. ``info`` are the documents that describe it."""

    name: str
    source: IO[bytes]
    info: dict[str, bytes]

    @cached_property
    def index(self) -> dict[str, Any]:
        """What it says of itself: name, version, build, what it needs."""
        return self._document("info/index.json")

    @cached_property
    def paths(self) -> dict[str, PackagePath]:
        """What it says of each of its files, by the path in the package."""
        return read_paths(self.info, self.name)

    @cached_property
    def noarch(self) -> dict[str, Any]:
        """``link.json``'s part about packages for every platform: which commands to make."""
        if "info/link.json" not in self.info:
            return {}
        noarch = self._document("info/link.json").get("noarch")
        return noarch if isinstance(noarch, dict) else {}

    def members(self) -> Iterator[tuple[Member, IO[bytes] | None]]:
        """Its files in the order of its tar, each with its content, to be read before the next one is asked for.

        Raises:
            BuildError: An entry is of a kind, or has a path, that no package may have; or the tar is broken (IW303).
        """
        with _reading(self.name), _payload(self.source, self.name) as tar:
            for count, entry in enumerate(tar):
                if count > _MAX_MEMBERS:
                    raise refused(self.name, f"it has over {_MAX_MEMBERS} entries")
                if entry.name.removeprefix("./").startswith(_INFO) or entry.name in (".", "./", "info"):
                    continue
                yield _member(entry, self.name), tar.extractfile(entry) if entry.isreg() else None

    def _document(self, name: str) -> dict[str, Any]:
        try:
            document = json.loads(self.info[name])
        except (KeyError, ValueError) as error:
            raise refused(self.name, f"its {name} cannot be read") from error
        if not isinstance(document, dict):
            raise refused(self.name, f"its {name} is not an object")
        return document


@contextmanager
def open_package(path: Path, name: str) -> Iterator[Package]:
    """The package at ``path``, a ``.conda`` or a ``.tar.bz2``, as its file ``name`` says.

    Source: conda's documentation, "Package specification"; CEP 35 for .conda.

    Raises:
        BuildError: It is neither, or broken (IW303).
    """
    with path.open("rb") as source:
        with _reading(name):
            info = _info(source, name)
        yield Package(name, source, info)


def refused(name: str, reason: str, path: str = "") -> BuildError:
    """The error for a package that is broken or hostile."""
    return BuildError(
        f"the conda package {name} is refused: {reason}",
        code="IW303",
        why=f"in it: {path}" if path else (),
    )


def _info(source: IO[bytes], name: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    size = 0
    with _described(source, name) as tar:
        for entry in tar:
            path = entry.name.removeprefix("./")
            if path not in _NEEDED or not entry.isreg():
                continue
            size += entry.size
            if path in found or size > MAX_INFO:
                raise refused(name, "its description comes twice" if path in found else "its description is too long")
            content = tar.extractfile(entry)
            assert content is not None
            found[path] = content.read()
            if name.endswith(".tar.bz2") and _complete(found):
                break  # what describes it comes first, so the rest need not be unpacked
    return found


def _complete(found: dict[str, bytes]) -> bool:
    if not {"info/index.json", "info/paths.json"} <= found.keys():
        return False
    return "info/link.json" in found or b'"noarch"' not in found["info/index.json"]


@contextmanager
def _described(source: IO[bytes], name: str) -> Iterator[tarfile.TarFile]:
    with _part(source, name, "info-") if name.endswith(".conda") else _payload(source, name) as tar:
        yield tar


@contextmanager
def _payload(source: IO[bytes], name: str) -> Iterator[tarfile.TarFile]:
    """The tar that has the files."""
    if name.endswith(".conda"):
        with _part(source, name, "pkg-") as tar:
            yield tar
    elif name.endswith(".tar.bz2"):
        source.seek(0)
        with bz2.BZ2File(source) as plain, tarfile.open(fileobj=plain, mode="r|", bufsize=CHUNK) as tar:
            yield tar
    else:
        raise refused(name, "its name ends neither in .conda nor in .tar.bz2")


@contextmanager
def _part(source: IO[bytes], name: str, kind: str) -> Iterator[tarfile.TarFile]:
    """One of the two tars of a ``.conda``: a zip that is not compressed, of three files."""
    source.seek(0)
    with zipfile.ZipFile(source) as archive:
        stem = name.removesuffix(".conda")
        expected = {"metadata.json", f"pkg-{stem}.tar.zst", f"info-{stem}.tar.zst"}
        entries = {entry.filename: entry for entry in archive.infolist()}
        if set(entries) != expected or len(entries) != len(archive.infolist()):
            shown = ", ".join(sorted(entries))[:200]
            raise refused(name, f"it is made of {shown or 'nothing'}, not of {', '.join(sorted(expected))}")
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries.values()):
            raise refused(name, "a part of it is compressed twice, or encrypted")
        if entries["metadata.json"].file_size > MAX_INFO or _format(archive) != 2:
            raise refused(name, "its metadata.json does not say that it is of version 2")
        with (
            archive.open(f"{kind}{stem}.tar.zst") as packed,
            zstd_file(packed) as plain,
            tarfile.open(fileobj=plain, mode="r|", bufsize=CHUNK) as tar,
        ):
            yield tar


def _format(archive: zipfile.ZipFile) -> object:
    document = json.loads(archive.read("metadata.json"))
    return document.get("conda_pkg_format_version") if isinstance(document, dict) else None


def _member(entry: tarfile.TarInfo, name: str) -> Member:
    path = plain_path(entry.name, name)
    kind = (
        "file"
        if entry.isreg()
        else "symlink"
        if entry.issym()
        else "hardlink"
        if entry.islnk()
        else "directory"
        if entry.isdir()
        else ""
    )
    if not kind or entry.issparse():
        raise refused(name, "only files, folders and links can be in a package", path)
    link = plain_path(entry.linkname, name) if kind == "hardlink" else entry.linkname
    mtime = min(max(int(entry.mtime), 0), (1 << 33) - 1)
    size = entry.size if kind == "file" else 0
    return Member(path, cast(Any, kind), bool(entry.mode & 0o111), mtime, size, link)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say of what cannot be unpacked whose it is."""
    try:
        yield
    except _TAR_ERRORS as error:
        raise refused(name, f"it cannot be unpacked: {error}") from error
    except Exception as error:  # zstd's own, which is imported late
        if type(error).__name__ != "ZstdError":
            raise
        raise refused(name, f"it cannot be unpacked: {error}") from error
