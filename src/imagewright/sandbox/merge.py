"""Several unpacked layers become one folder, by hard links: no content is copied."""

import errno
import os
import shutil
import stat
from collections.abc import Sequence

from imagewright.sandbox.attributes import is_kept
from imagewright.sandbox.removal import remove
from imagewright.sandbox.unpack import Unpacked


def merge(layers: Sequence[tuple[str, Unpacked]], folder: str, *, keep_owners: bool) -> None:
    """Make in ``folder``, which is empty, what these layers are above each other, lowest first, with nothing below.

    Source: OCI image-spec v1.1, layer.md, "Applying Changesets".
    """
    tree = _Merged(os.fsencode(folder), keep_owners)
    for source, unpacked in layers:
        tree.apply(os.fsencode(source), unpacked)
    tree.finish()


def is_whiteout(status: os.stat_result) -> bool:
    """Whether a file of an unpacked layer stands for "nothing is here"."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


class _Merged:
    def __init__(self, folder: bytes, keep_owners: bool) -> None:
        self._folder = folder
        self._keep_owners = keep_owners
        self._attributes: dict[bytes, os.stat_result] = {}  # of directories, by their path below the folder
        self._xattrs: dict[bytes, dict[str, bytes]] = {}

    def apply(self, source: bytes, unpacked: Unpacked) -> None:
        implied = {os.fsencode(name) for name in unpacked.implied}
        opaque = {os.fsencode(name) for name in unpacked.opaque}
        if b"" in opaque:
            self._clear(b"")
            os.mkdir(self._folder, 0o700)
        waiting = [b""]
        while waiting:
            path = waiting.pop()
            self._directory(path, _full(source, path), implied=path in implied)
            for entry in os.scandir(_full(source, path)):
                below = path + b"/" + entry.name if path else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if below in opaque:
                        self._clear(below)
                    waiting.append(below)
                else:
                    self._other(entry, below)

    def finish(self) -> None:
        """Give directories their attributes, deepest first: making an entry changes its parent's time."""
        for path in sorted(self._attributes, reverse=True):
            status = self._attributes[path]
            full = _full(self._folder, path)
            if self._keep_owners:
                os.chown(full, status.st_uid, status.st_gid)
            os.chmod(full, stat.S_IMODE(status.st_mode))
            for name, value in self._xattrs.get(path, {}).items():
                os.setxattr(full, name, value)
            os.utime(full, ns=(status.st_mtime_ns, status.st_mtime_ns))

    def _directory(self, path: bytes, source: bytes, *, implied: bool) -> None:
        known = path in self._attributes
        if path and not known:
            self._clear(path)
            os.mkdir(_full(self._folder, path), 0o700)
        if not known or not implied:
            self._attributes[path] = os.lstat(source)
            self._xattrs[path] = {
                name: os.getxattr(source, name) for name in os.listxattr(source) if is_kept(os.fsencode(name))
            }

    def _other(self, entry: "os.DirEntry[bytes]", path: bytes) -> None:
        if not (entry.is_file(follow_symlinks=False) or entry.is_symlink()) and is_whiteout(
            entry.stat(follow_symlinks=False)
        ):
            self._clear(path)
            return
        full = _full(self._folder, path)
        try:
            _link(entry.path, full)
        except FileExistsError:
            self._clear(path)
            _link(entry.path, full)

    def _clear(self, path: bytes) -> None:
        """Remove what lower layers made at ``path``."""
        full = _full(self._folder, path)
        if path in self._attributes:
            below = path + b"/" if path else b""
            for name in [name for name in self._attributes if name == path or name.startswith(below)]:
                del self._attributes[name]
            remove([os.fsdecode(full)])
        elif os.path.lexists(full):
            os.unlink(full)


def _full(folder: bytes, path: bytes) -> bytes:
    return folder + b"/" + path if path else folder


def _link(source: bytes, target: bytes) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:  # ext4: 65,000 names of one file
            raise
        shutil.copy2(source, target, follow_symlinks=False)
        status = os.lstat(source)
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
        shutil.copystat(source, target, follow_symlinks=False)  # the new owner took setuid and capabilities away
