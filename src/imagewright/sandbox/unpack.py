"""A layer's tar becomes a folder that overlayfs can stack: names checked, whiteouts translated, nothing outside touched."""

import errno
import os
import stat
from collections.abc import Iterable

from imagewright.dataclass import dataclass
from imagewright.sandbox.attributes import IMPLIED, Attributes, attributes_of, set_xattr
from imagewright.sandbox.names import Refused, components, shown
from imagewright.sandbox.tar import Entry, TarReader

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
OPAQUE_XATTR = b"user.overlay.opaque"  # bwrap mounts with "userxattr", as root too
_AUFS = b".wh..wh."  # other bookkeeping of aufs: means nothing here
_MAX_LINKS = 40  # as the kernel's own limit, for symlinks on the way to an entry


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a layer's folder is made of, as far as the folder itself does not tell.

    ``implied`` are directories without an entry of their own: the layer says nothing of their mode and owner.
    ``opaque`` are directories that hide all that the layers below have at the same place. "" is the root in both.
    """

    files: int
    size: int
    implied: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()


def unpack(reader: TarReader, folder: str, *, keep_owners: bool) -> Unpacked:
    """Make the entries in ``folder``, which is empty and which nobody else can reach.

    No name of the tar reaches the kernel before its components were checked, and none is looked up through a symlink
    that came from the tar: links are followed here, inside the folder, by what is known to have been made.
    Devices are left out: a device 0:0 would be a whiteout that the layer did not declare. So are extended attributes but
    capabilities, access control lists and those of users; capabilities also where this process cannot give them, since no sandbox of it could
    honour them.

    Raises:
        Refused: An entry's name or link leads outside, or it cannot be made.
        BadTar: It is not a tar.
    """
    tree = _Tree(os.fsencode(folder), keep_owners)
    for entry in reader:
        try:
            tree.add(entry, reader)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
                raise
            raise Refused(f"{shown(entry.name)}: {error.strerror}") from error
    tree.finish()
    return Unpacked(tree.files, tree.size, _names(tree.implied), _names(tree.opaque & tree.directories.keys()))


def _names(paths: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(sorted(os.fsdecode(path) for path in paths))


class _Tree:
    """The entries made until now, by their path below the folder (bytes, no slash at either end)."""

    def __init__(self, folder: bytes, keep_owners: bool) -> None:
        self._folder = folder
        self._keep_owners = keep_owners
        self.directories: dict[bytes, Attributes] = {b"": IMPLIED}
        self._symlinks: dict[bytes, bytes] = {}
        self._others: set[bytes] = set()
        self._whiteouts: set[bytes] = set()
        self._parents: dict[bytes, bytes] = {}  # a directory's name as written -> where it really is
        self.implied: set[bytes] = {b""}
        self.opaque: set[bytes] = set()
        self.files = 0
        self.size = 0

    def add(self, entry: Entry, reader: TarReader) -> None:
        parts = components(entry.name)
        if not parts:
            if not entry.is_directory:
                raise Refused("the root is not a directory")
            self.directories[b""] = attributes_of(entry)
            self.implied.discard(b"")
            return
        parent = self._parent(parts[:-1], entry.name)
        if parts[-1].startswith(WHITEOUT):
            self._whiteout(parent, parts[-1], entry.name)
            return
        path = _join(parent, parts[-1])
        if entry.is_directory:
            self._directory(path, attributes_of(entry))
        elif entry.is_file:
            self._file(path, entry, reader)
        elif entry.is_symlink:
            self._symlink(path, entry)
        elif entry.is_hardlink:
            self._hardlink(path, entry)
        elif entry.is_fifo:
            self._clear(path)
            os.mkfifo(self._full(path), 0o600)
            self._others.add(path)
            self._adorn(path, entry)

    def finish(self) -> None:
        """Give directories their attributes, deepest first: making an entry changes its parent's time."""
        for path in sorted(self.directories, reverse=True):
            attributes = self.directories[path]
            full = self._full(path)
            if path in self.opaque and path:
                os.setxattr(full, OPAQUE_XATTR, b"y")
            if self._keep_owners:
                os.chown(full, attributes.uid, attributes.gid)
            # An ordinary user must be able to look into the folder, and to remove it.
            os.chmod(full, attributes.mode if self._keep_owners else attributes.mode | 0o700)
            for name, value in attributes.xattrs.items():
                set_xattr(full, name, value)
            os.utime(full, (attributes.mtime, attributes.mtime))

    def _full(self, path: bytes) -> bytes:
        return self._folder + b"/" + path if path else self._folder

    def _parent(self, parts: list[bytes], name: bytes) -> bytes:
        """The real path of a directory, made where it is missing."""
        written = b"/".join(parts)
        known = self._parents.get(written)
        if known is None:
            known = self._parents[written] = self._walk(parts, name, make=True)
        return known

    def _walk(self, parts: list[bytes], name: bytes, *, make: bool) -> bytes:
        ahead = parts[::-1]
        path = b""
        links = 0
        while ahead:
            part = ahead.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                path = path.rpartition(b"/")[0]
                continue
            step = _join(path, part)
            target = self._symlinks.get(step)
            if target is not None:
                links += 1
                if links > _MAX_LINKS:
                    raise Refused(f"{shown(name)}: too many symlinks on the way")
                if target.startswith(b"/"):
                    path = b""
                ahead.extend(reversed(target.split(b"/")))
                continue
            if step not in self.directories:
                if not make:
                    raise Refused(f"{shown(name)}: there is no directory {shown(step)}")
                if len(part) > 255:
                    raise Refused(f"{shown(name)}: not a file name")
                self._directory(step, IMPLIED)
                self.implied.add(step)
            path = step
        return path

    def _directory(self, path: bytes, attributes: Attributes) -> None:
        if path not in self.directories:
            self._clear(path)
            os.mkdir(self._full(path), 0o700)
        self.directories[path] = attributes
        self.implied.discard(path)

    def _file(self, path: bytes, entry: Entry, reader: TarReader) -> None:
        self._clear(path)
        descriptor = os.open(
            self._full(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            for chunk in reader.content():
                written = os.write(descriptor, chunk)
                while written < len(chunk):
                    written += os.write(descriptor, chunk[written:])
            if self._keep_owners and (entry.uid or entry.gid):
                os.fchown(descriptor, entry.uid, entry.gid)
            os.fchmod(descriptor, entry.mode & 0o7777)
            for name, value in entry.xattrs.items():  # after the owner, a change of which takes capabilities away
                set_xattr(descriptor, name, value)
            os.utime(descriptor, (entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)
        self._others.add(path)
        self.files += 1
        self.size += entry.size

    def _symlink(self, path: bytes, entry: Entry) -> None:
        if not entry.target or b"\0" in entry.target:
            raise Refused(f"{shown(entry.name)}: a symlink to nowhere")
        self._clear(path)
        full = self._full(path)
        os.symlink(entry.target, full)
        self._symlinks[path] = entry.target
        self._parents.clear()  # a name may lead elsewhere now
        if self._keep_owners:
            os.chown(full, entry.uid, entry.gid, follow_symlinks=False)
        os.utime(full, (entry.mtime, entry.mtime), follow_symlinks=False)

    def _hardlink(self, path: bytes, entry: Entry) -> None:
        parts = components(entry.target)
        if not parts:
            raise Refused(f"{shown(entry.name)}: a hard link to the root")
        source = _join(self._walk(parts[:-1], entry.name, make=False), parts[-1])
        if source == path:
            return
        if source not in self._others and source not in self._symlinks:
            raise Refused(f"{shown(entry.name)}: a hard link to {shown(entry.target)}, which the layer does not have")
        self._clear(path)
        os.link(self._full(source), self._full(path), follow_symlinks=False)
        if source in self._symlinks:
            self._symlinks[path] = self._symlinks[source]
            self._parents.clear()
        else:
            self._others.add(path)
        self.files += 1

    def _adorn(self, path: bytes, entry: Entry) -> None:
        full = self._full(path)
        if self._keep_owners:
            os.chown(full, entry.uid, entry.gid, follow_symlinks=False)
        os.chmod(full, entry.mode & 0o1777)
        os.utime(full, (entry.mtime, entry.mtime))

    def _whiteout(self, parent: bytes, part: bytes, name: bytes) -> None:
        """Hide what lower layers have; what this layer has stays.

        Source: OCI image-spec v1.1, layer.md, "Whiteouts".
        """
        if part == OPAQUE:
            self.opaque.add(parent)
            return
        if part.startswith(_AUFS):
            return
        hidden = part[len(WHITEOUT) :]
        if hidden in (b"", b".", b".."):
            raise Refused(f"{shown(name)}: a whiteout of no name")
        path = _join(parent, hidden)
        if path in self.directories:
            self.opaque.add(path)
        elif path not in self._others and path not in self._symlinks and path not in self._whiteouts:
            # Making device 0:0 needs no right since Linux 5.8: overlayfs takes it for "nothing here".
            os.mknod(self._full(path), stat.S_IFCHR | 0o000, os.makedev(0, 0))
            self._whiteouts.add(path)

    def _clear(self, path: bytes) -> None:
        """Remove what is at ``path``: a later entry of the same name takes its place."""
        if path in self._whiteouts:
            os.unlink(self._full(path))
            self._whiteouts.discard(path)
            self.opaque.add(path)
        elif path in self._others or path in self._symlinks:
            os.unlink(self._full(path))
            self._others.discard(path)
            if self._symlinks.pop(path, None) is not None:
                self._parents.clear()
        elif path in self.directories:
            self._remove_directory(path)

    def _remove_directory(self, path: bytes) -> None:
        below = path + b"/"
        for known in (self._others, self._whiteouts):
            for name in [name for name in known if name.startswith(below)]:
                os.unlink(self._full(name))
                known.discard(name)
        for name in [name for name in self._symlinks if name.startswith(below)]:
            os.unlink(self._full(name))
            del self._symlinks[name]
        for name in sorted((n for n in self.directories if n == path or n.startswith(below)), reverse=True):
            os.rmdir(self._full(name))
            del self.directories[name]
            self.implied.discard(name)
            self.opaque.discard(name)
        self._parents.clear()


def _join(parent: bytes, part: bytes) -> bytes:
    return parent + b"/" + part if parent else part
