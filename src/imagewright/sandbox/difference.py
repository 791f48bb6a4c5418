"""What a command has changed: the upper folder of an overlay, compared with the layers below, as a layer's entries."""

import filecmp
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import Literal

from imagewright.dataclass import dataclass
from imagewright.errors import BuildError
from imagewright.layer.writer import LayerWriter
from imagewright.parallel import InOrder
from imagewright.sandbox.merge import is_whiteout
from imagewright.sandbox.stack import Stack, look_up

VERSION = 2
"""Goes into the key of every step. Count it up when the same folder gives another layer."""

Kind = Literal["directory", "file", "symlink", "hardlink", "whiteout"]

_OPAQUE_XATTRS = ("user.overlay.opaque", "trusted.overlay.opaque")
_CAPABILITY = "security.capability"
_ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the layer. ``path`` has no leading slash; ``link`` is a symlink's text or a hard link's path.

    ``below``: the layers below have something there, so that it is changed and not new; ``same_mode``: with this mode.
    """

    path: str
    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    link: str = ""
    source: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    below: bool = False
    same_mode: bool = False


def difference(upper: Path, stack: Stack, *, ignored: Sequence[str] = (), newest: float) -> Iterator[Change]:
    """The changes in ``upper`` above ``stack``, in the order of a layer: by name, folders before what is in them.

    Paths in ``ignored`` are left out with all below them; one that ends in a slash is kept, and what is in it left out.
    What was written since ``newest`` (seconds since 1970) gets the time 0, since it would be another one in another run.
    Left out as well are files that are as below but for their time, folders in which nothing changed, devices, sockets
    and named pipes. Opaque folders are a whiteout named ``.wh..wh..opq``.
    Source: OCI image-spec v1.1, layer.md; Linux, Documentation/filesystems/overlayfs.rst.

    Raises:
        BuildError: IW302, a name cannot be in a layer.
    """
    walk = _Walk(ignored, newest)
    return walk.folder(str(upper), list(reversed(stack.folders)), "")


def contents(path: str) -> Iterator[bytes]:
    """A file of the upper folder, in pieces.

    Raises:
        BuildError: IW302, it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise BuildError(f"a file of a step cannot be read: {error.strerror}", code="IW302", why=path) from error


@contextmanager
def last_contents() -> Iterator[Callable[[str], Iterator[bytes]]]:
    """As `contents`, and the file is removed once it was read, by a thread beside: 5,000 of them take up to a second.

    One that has other names stays, since by their number hard links are known.
    """
    with InOrder[str](limit=1 << 16) as removing:

        def read(path: str) -> Iterator[bytes]:
            yield from contents(path)
            if os.lstat(path).st_nlink == 1:
                removing.hand_on(_unlink, path)

        yield read


def _unlink(path: str) -> None:
    with suppress(OSError):  # whoever removes the folder says what is wrong
        os.unlink(path)


def write_changes(
    changes: Iterator[Change] | Sequence[Change],
    writer: LayerWriter,
    *,
    read: Callable[[str], Iterator[bytes]] = contents,
) -> int:
    """Write the changes to a layer, with the files that ``read`` reads; how many there were.

    Raises:
        BuildError: IW302, a file cannot be read, or changes while it is.
    """
    count = 0
    for change in changes:
        count += 1
        owner = {"uid": change.uid, "gid": change.gid, "mtime": change.mtime}
        match change.kind:
            case "directory":
                writer.directory(change.path, change.mode, xattrs=change.xattrs, **owner)
            case "symlink":
                writer.symlink(change.path, change.link, **owner)
            case "hardlink":
                writer.hardlink(change.path, change.link, change.mode, **owner)
            case "whiteout":
                writer.file(change.path, b"", 0o644)
            case "file":
                content = read(change.source)
                writer.file(change.path, content, change.mode, size=change.size, xattrs=change.xattrs, **owner)
    return count


class _Walk:
    def __init__(self, ignored: Sequence[str], newest: float) -> None:
        self._ignored = frozenset(path for path in ignored if not path.endswith("/"))
        self._emptied = frozenset(path.rstrip("/") for path in ignored if path.endswith("/"))
        self._newest = newest - 1  # the kernel's clock for files is a little behind
        self._links: dict[tuple[int, int], str] = {}

    def folder(self, upper: str, below: list[str], path: str) -> Iterator[Change]:
        """The changes in a folder; ``below`` are the folders at its place in lower layers, topmost first."""
        for entry in sorted(os.scandir(upper), key=lambda entry: os.fsencode(entry.name)):
            name = f"{path}/{entry.name}" if path else entry.name
            if name in self._ignored:
                continue
            status = entry.stat(follow_symlinks=False)
            found = look_up(below, entry.name)
            if is_whiteout(status):
                if found:
                    yield Change(_named(f"{path}/.wh.{entry.name}" if path else f".wh.{entry.name}", name), "whiteout")
                continue
            if entry.name.startswith(".wh."):
                raise BuildError(f"a layer cannot hold a file of the name {entry.name!r}", code="IW302", why=f"/{name}")
            _named(name, name)
            if stat.S_ISDIR(status.st_mode):
                yield from self._directory(entry.path, status, found, name)
            elif stat.S_ISLNK(status.st_mode):
                if not _same_link(entry.path, status, found):
                    yield self._change(name, "symlink", status, found, link=_named(os.readlink(entry.path), name))
            elif stat.S_ISREG(status.st_mode):
                yield from self._file(entry.path, status, found, name)

    def _directory(self, source: str, status: os.stat_result, found: list[str], path: str) -> Iterator[Change]:
        lower = os.lstat(found[0]) if found else None
        folders = found if lower is not None and stat.S_ISDIR(lower.st_mode) else []
        # The kernel marks every new folder, also where there is nothing to hide.
        opaque = bool(folders) and _is_marked(source)
        xattrs = _xattrs(source)
        own = self._change(path, "directory", status, found, xattrs=xattrs)
        changed = not folders or opaque or lower is None or _attributes(lower) != _attributes(status)
        changed = changed or xattrs != _xattrs(folders[0])
        if changed:
            yield own
        if opaque:
            yield Change(f"{path}/.wh..wh..opq", "whiteout")
        if path in self._emptied:
            return
        for change in self.folder(source, [] if opaque else folders, path):
            if not changed:
                changed = True
                yield own
            yield change

    def _file(self, source: str, status: os.stat_result, found: list[str], path: str) -> Iterator[Change]:
        if status.st_nlink == 1 and _same_file(source, status, found):
            return
        if status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                yield self._change(path, "hardlink", status, found, link=first)
                return
        xattrs = _xattrs(source)
        yield self._change(path, "file", status, found, size=status.st_size, source=source, xattrs=xattrs)

    def _change(
        self,
        path: str,
        kind: Kind,
        status: os.stat_result,
        found: list[str],
        *,
        size: int = 0,
        link: str = "",
        source: str = "",
        xattrs: Mapping[str, bytes] | None = None,
    ) -> Change:
        mtime = 0 if status.st_mtime >= self._newest else max(int(status.st_mtime), 0)
        mode = stat.S_IMODE(status.st_mode)
        same_mode = bool(found) and os.lstat(found[0]).st_mode == status.st_mode
        ids = (status.st_uid, status.st_gid)
        return Change(path, kind, mode, *ids, mtime, size, link, source, xattrs or {}, bool(found), same_mode)


def _attributes(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, status.st_uid, status.st_gid


def _same_link(source: str, status: os.stat_result, found: list[str]) -> bool:
    if len(found) != 1:
        return False
    lower = os.lstat(found[0])
    return _attributes(lower) == _attributes(status) and os.readlink(source) == os.readlink(found[0])


def _same_file(source: str, status: os.stat_result, found: list[str]) -> bool:
    """Whether a file was only touched: written anew with the content, the mode and the owner that it had."""
    if len(found) != 1:
        return False
    lower = os.lstat(found[0])
    if _attributes(lower) != _attributes(status) or lower.st_size != status.st_size:
        return False
    if _xattrs(source) != _xattrs(found[0]):
        return False
    return filecmp.cmp(source, found[0], shallow=False)


def _is_marked(folder: str) -> bool:
    for name in _OPAQUE_XATTRS:
        try:
            if os.getxattr(folder, name, follow_symlinks=False) == b"y":
                return True
        except OSError:
            continue
    return False


def _xattrs(path: str) -> dict[str, bytes]:
    """Capabilities, access control lists, and what users set."""
    kept: dict[str, bytes] = {}
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        if name == _CAPABILITY:
            kept[name] = _capability(os.getxattr(path, name, follow_symlinks=False))
        elif name in _ACCESS_LISTS or (name.startswith("user.") and not name.startswith("user.overlay.")):
            kept[name] = os.getxattr(path, name, follow_symlinks=False)
    return kept


def _capability(value: bytes) -> bytes:
    """A capability that a user namespace gave is of version 3, and names who was root there; in an image nobody is.

    Source: Linux, include/uapi/linux/capability.h, struct vfs_ns_cap_data.
    """
    if len(value) == 24 and value[3] == 3:
        return value[:3] + b"\x02" + value[4:20]
    return value


def _named(text: str, path: str) -> str:
    """``text``, which goes into the layer as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "replace")
        raise BuildError(f"a layer cannot hold a name that is not UTF-8: /{shown}", code="IW302") from error
    return text
