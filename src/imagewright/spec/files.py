"""The user's own files that an ImageSpec puts into the image, with their contents' digests."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Union

from imagewright.dataclass import dataclass
from imagewright.oci.digest import Digest
from imagewright.spec.copy_mode import CopyFileDetection
from imagewright.spec.fields import Refused
from imagewright.spec.ignore import Ignores, is_generated
from imagewright.spec.imports import import_root, imported_files

_CHUNK = 1 << 20


@dataclass(frozen=True)
class CopiedFile:
    """A file: where it lands (relative, with /), where it is on this machine, and what it was when it was listed."""

    path: str
    source: str
    digest: Digest
    size: int
    executable: bool


@dataclass(frozen=True)
class CopiedLink:
    """A symbolic link, kept as a link."""

    path: str
    target: str


Copied = Union[CopiedFile, CopiedLink]


def copied_files(paths: Iterable[str], directory: Path) -> list[Copied]:
    """What ``copy=[...]`` names, in order of path: files, and all below folders but bytecode, caches and .git."""
    found: dict[str, Copied] = {}
    for path in paths:
        top = os.path.join(directory, on_disk(path))
        if os.path.isfile(top):
            entry = describe(path, os.path.realpath(top))
            if entry is not None:
                found[path] = entry
        elif os.path.isdir(top):
            prefix = "" if path == "." else path + "/"
            for relative in walk(top, lambda name, is_folder: is_generated(name.rpartition("/")[2], is_folder)):
                entry = describe(prefix + relative, os.path.join(top, on_disk(relative)))
                if entry is not None:
                    found[entry.path] = entry
        else:
            raise Refused("copy", [path], f"names nothing that is in {directory}", fix="make it first", part=path)
    return _sorted(found.values())


def source_files(root: Path, mode: CopyFileDetection, declared_in: str) -> list[Copied]:
    """What goes in for ``source_root``: the files that ``declared_in`` imports, or all that is not ignored."""
    if not root.is_dir():
        raise Refused("source_root", str(root), "is no folder", fix="a folder, relative to the file that declares it")
    top = os.path.realpath(root)
    if mode is CopyFileDetection.NO_COPY:
        return []
    if mode is CopyFileDetection.LOADED_MODULES:
        if not os.path.isfile(declared_in):
            raise Refused(
                "source_copy_mode",
                "auto",
                "copies what the declaring file imports, and this spec is not made in a file",
                fix='source_copy_mode="all"',
            )
        files = imported_files([os.path.realpath(declared_in)], top)
        relative = [as_written(os.path.relpath(file, top)) for file in files]
    else:
        relative = list(walk(top, Ignores(Path(top)).ignored))
    entries = (describe(path, os.path.join(top, on_disk(path))) for path in relative)
    return _sorted(entry for entry in entries if entry is not None)


def source_root_of(declared_in: str, directory: Path) -> Path:
    """The root when none is given: as flytekit's, the first folder above that is no package."""
    return Path(import_root(declared_in)) if os.path.isfile(declared_in) else directory


def walk(
    top: str, ignored: Callable[[str, bool], bool], environment: Callable[[str], object] = lambda path: None
) -> Iterator[str]:
    """The paths below ``top`` of what is not a folder, relative, with /. Links to folders are not followed.

    ``environment`` is told of virtual environments, which are left out: they are this machine's.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(top, on_disk(folder))) as entries:
            for entry in entries:
                name = as_written(entry.name)
                path = f"{folder}/{name}" if folder else name
                is_folder = entry.is_dir(follow_symlinks=False)
                if ignored(path, is_folder):
                    continue
                if not is_folder:
                    yield path
                elif os.path.isfile(os.path.join(entry.path, "pyvenv.cfg")):
                    environment(path)
                else:
                    waiting.append(path)


def describe(path: str, source: str) -> Copied | None:
    """What is at ``source``; None for sockets, devices and links to nothing (an editor's lock is such a link)."""
    status = os.lstat(source)
    if stat.S_ISLNK(status.st_mode):
        return CopiedLink(path, as_written(os.readlink(source))) if os.path.exists(source) else None
    if not stat.S_ISREG(status.st_mode):
        return None
    digest, size = digest_of_file(source)
    return CopiedFile(path, source, digest, size, bool(status.st_mode & stat.S_IXUSR))


def as_written(name: str) -> str:
    """A name that the system gave, as text. Names are UTF-8 whatever this process's locale says, or digests would differ."""
    try:
        return os.fsencode(name).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("copy", name, "is a file name that is not UTF-8", fix="rename it, or ignore it") from None


def on_disk(path: str) -> str:
    """A path as the system wants it from this process: the other way of `as_written`."""
    return os.fsdecode(path.encode("utf-8"))


def digest_of_file(file: str) -> tuple[Digest, int]:
    """The digest and the size of a file's bytes, as one reading sees them."""
    count, size = hashlib.sha256(), 0
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            count.update(chunk)
            size += len(chunk)
    return Digest("sha256:" + count.hexdigest()), size


def spelled(entries: Iterable[Copied]) -> list[list[object]]:
    """The entries as plain values, to be hashed."""
    return [
        [entry.path, "link", entry.target]
        if isinstance(entry, CopiedLink)
        else [entry.path, "program" if entry.executable else "file", entry.digest]
        for entry in entries
    ]


def _sorted(entries: Iterable[Copied]) -> list[Copied]:
    return sorted(entries, key=lambda entry: entry.path)
