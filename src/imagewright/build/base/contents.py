"""What of one layer has to be known of a base image: a few small files, programs' kinds, links; found by streaming it."""

import posixpath
import re
import tarfile
from collections.abc import Iterable, Mapping
from typing import IO, Any, Literal

from imagewright.dataclass import dataclass
from imagewright.layer.read import entries

FORMAT = 1
"""Counted up when something else is kept: layers that were read before are then read again."""

Kind = Literal["file", "link", "folder"]

_SMALL = re.compile(
    r"etc/os-release|usr/lib/os-release|var/lib/dpkg/status|var/lib/dpkg/status\.d/[^/]+|lib/apk/db/installed|(?:.*/)?pyvenv\.cfg"
)
_INTERPRETER = re.compile(r"(?:.*/)?bin/python(?:3(?:\.\d+)?)?")
_LIBPYTHON = re.compile(r"(?:.*/)?(?:libpython3\.\d+\.so(?:\.1\.0)?|bin/python3\.\d+)")
_LIBC = re.compile(r"(?:.*/)?(?:libc\.so\.6|libc-2\.\d+\.so|ld-musl-[^/]+\.so\.1|libc\.musl-[^/]+\.so\.1)")
_DISTRIBUTION = re.compile(
    r"(?P<folder>(?:.*/)?(?:site|dist)-packages/[^/]+\.(?:dist-info|egg-info))(?:/(?P<file>[^/]+))?"
)
_LIBRARY = re.compile(r"(?:.*/)?lib/python3\.\d+/os\.py")
_CONDA = re.compile(r"(?:.*/)?conda-meta/(?:python-3\.[^/]+\.json|history)")
_LINK = re.compile(r"(?:.*/)?(?:bin/python[0-9.]*|libc\.so\.6|ld-musl-[^/]+)")

_MOST_TEXT = 16 << 20
_MOST_BINARY = 64 << 20
_GLIBC_VERSION = re.compile(rb"stable release version (2\.\d+)")
_MUSL_VERSION = re.compile(rb"\0(1\.\d+\.\d+)\0")
_PYTHON_VERSION = re.compile(rb"\0(3\.\d+\.\d+)(?:(?:a|b|rc)\d+)?\+?\0")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a path is. ``text``: a link's target, a small file's content, a program's version, or ""."""

    kind: Kind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """The entries of one layer that are kept, by path without a leading slash, and what the layer takes away."""

    entries: Mapping[str, Entry]
    removed: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "format": FORMAT,
            "entries": {path: [entry.kind, entry.text] for path, entry in self.entries.items()},
            "removed": list(self.removed),
            "emptied": list(self.emptied),
        }

    @classmethod
    def from_json(cls, document: Any) -> "Contents":
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        if document["format"] != FORMAT:
            raise ValueError("another format")
        found = {str(path): Entry(kind, str(text)) for path, (kind, text) in document["entries"].items()}
        return cls(found, tuple(document["removed"]), tuple(document["emptied"]))


def contents_of(chunks: Iterable[bytes], media_type: str) -> Contents:
    """Read a layer once, from its stored bytes.

    Raises:
        IntegrityError: It cannot be read.
    """
    found: dict[str, Entry] = {}
    removed: list[str] = []
    emptied: list[str] = []
    commands: set[str] = set()
    with entries(chunks, media_type) as tar:
        for member in tar:
            path = posixpath.normpath("/" + member.name).lstrip("/")
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                emptied.append(folder)
            elif name.startswith(".wh."):
                removed.append(f"{folder}/{name[4:]}".lstrip("/"))
            else:
                _keep(path, member, tar, found, commands)
    for folder in commands:
        if folder in found:
            found[folder] = Entry(found[folder].kind, "commands")
    return Contents(found, tuple(removed), tuple(emptied))


def _keep(
    path: str, member: tarfile.TarInfo, tar: tarfile.TarFile, found: dict[str, Entry], commands: set[str]
) -> None:
    depth = path.count("/")
    if member.issym():
        if depth <= 1 or _LINK.fullmatch(path) or (depth <= 3 and not _is_data(path)):
            found[path] = Entry("link", member.linkname)
    elif member.isdir():
        if depth <= 1 and path:
            found[path] = Entry("folder")
        elif distribution := _DISTRIBUTION.fullmatch(path):
            found.setdefault(distribution["folder"], Entry("folder"))
    elif member.islnk():
        if _INTERPRETER.fullmatch(path):
            target = posixpath.normpath("/" + member.linkname)
            found[path] = Entry("link", target)
    elif member.isreg():
        _keep_file(path, tar.extractfile(member), found, commands)


def _keep_file(path: str, file: IO[bytes] | None, found: dict[str, Entry], commands: set[str]) -> None:
    if file is None:
        return
    if _SMALL.fullmatch(path):
        found[path] = Entry("file", file.read(_MOST_TEXT).decode("utf-8", "replace"))
    elif _INTERPRETER.fullmatch(path) or _LIBPYTHON.fullmatch(path):
        data = file.read(_MOST_BINARY)
        if data[:4] == b"\x7fELF":
            found[path] = Entry("file", _version(_PYTHON_VERSION, data))
    elif _LIBC.fullmatch(path):
        pattern = _MUSL_VERSION if "musl" in path else _GLIBC_VERSION
        found[path] = Entry("file", _version(pattern, file.read(_MOST_BINARY)))
    elif _LIBRARY.fullmatch(path) or _CONDA.fullmatch(path):
        found[path] = Entry("file")
    elif distribution := _DISTRIBUTION.fullmatch(path):
        folder, name = distribution["folder"], distribution["file"]
        found.setdefault(folder, Entry("folder"))
        if (name == "entry_points.txt" and b"_scripts]" in file.read(_MOST_TEXT)) or (
            name in ("RECORD", "installed-files.txt") and b"../bin/" in file.read(_MOST_TEXT)
        ):
            commands.add(folder)


def _version(pattern: re.Pattern[bytes], data: bytes) -> str:
    match = pattern.search(data)
    return match[1].decode() if match else ""


def _is_data(path: str) -> bool:
    """Where images have thousands of links that lead to no program."""
    return path.startswith(("usr/share/", "etc/", "usr/lib/", "lib/", "proc/", "sys/", "var/lib/"))
