"""What a stack of unpacked layers shows: files found and links followed as overlayfs would, without mounting it."""

import os
import stat
from collections.abc import Sequence

from imagewright.dataclass import dataclass
from imagewright.sandbox.merge import is_whiteout
from imagewright.sandbox.unpack import OPAQUE_XATTR

OPTIONS_LIMIT = 3400
"""Bytes of overlayfs's ``lowerdir=``: mount(2) takes one page of options, and there is more in it: bwrap's own and a folder on top."""

_MAX_LINKS = 40


def options_size(folders: Sequence[str]) -> int:
    """The bytes that these folders, real paths, take in the mount options: bwrap puts /oldroot before, and escapes."""
    return sum(
        len(os.fsencode(folder)) + sum(folder.count(letter) for letter in ":,\\") + len("/oldroot:")
        for folder in folders
    )


@dataclass(frozen=True, slots=True)
class Stack:
    """Folders above each other, lowest first."""

    folders: tuple[str, ...]

    def with_top(self, folder: str) -> "Stack":
        """This stack with one more folder on top."""
        return Stack((*self.folders, folder))

    def resolve(self, path: str) -> str:
        """``path`` in the container without symlinks in it; parts that are not there stay as they are.

        It never leads outside, so a mount that is made there is made inside.

        Raises:
            ValueError: The links go round in a circle.
        """
        return "/" + "/".join(self._walk(path)[0])

    def exists(self, path: str) -> bool:
        """Whether there is something at ``path``, links followed."""
        return bool(self._walk(path)[1])

    def status(self, path: str) -> os.stat_result:
        """Mode, owner and time of what is at ``path``, links followed; of a folder, what its topmost layer says.

        Raises:
            FileNotFoundError: Nothing is there.
        """
        found = self._walk(path)[1]
        if not found:
            raise FileNotFoundError(path)
        return os.lstat(found[0])

    def read(self, path: str, *, limit: int = 1 << 20) -> bytes:
        """The start of the regular file at ``path``, links followed; b"" when there is none."""
        found = self._walk(path)[1]
        if len(found) != 1 or not stat.S_ISREG(os.lstat(found[0]).st_mode):
            return b""
        descriptor = os.open(found[0], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit)

    def _walk(self, path: str) -> tuple[list[str], list[str]]:
        """The components of the resolved path, and what is there: folders, topmost first, or one file, or nothing."""
        ahead = path.split("/")[::-1]
        root = list(reversed(self.folders))
        trail: list[tuple[str, list[str]]] = []
        links = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if trail:
                    trail.pop()
                continue
            found = look_up(trail[-1][1] if trail else root, part)
            if len(found) == 1 and os.path.islink(found[0]):
                links += 1
                if links > _MAX_LINKS:
                    raise ValueError(f"{path}: too many symlinks")
                target = os.readlink(found[0])
                if target.startswith("/"):
                    trail.clear()
                ahead.extend(reversed(target.split("/")))
                continue
            trail.append((part, found))
        return [part for part, _ in trail], trail[-1][1] if trail else root


def look_up(folders: Sequence[str], name: str) -> list[str]:
    """What folders that lie above each other, topmost first, show of ``name``: folders, or one other entry, or nothing."""
    found: list[str] = []
    for folder in folders:
        path = f"{folder}/{name}"
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            return found if found or is_whiteout(status) else [path]
        found.append(path)
        if is_opaque(path):
            break
    return found


def is_opaque(path: str) -> bool:
    """Whether a folder hides what lower layers have at its place."""
    try:
        return os.getxattr(path, OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError:
        return False
