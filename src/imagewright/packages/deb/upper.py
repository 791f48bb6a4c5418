"""The upper folder of a step, while packages are unpacked into it."""

import errno
import os
import stat
import threading
from pathlib import Path

from imagewright.packages.deb.archive import Member
from imagewright.packages.deb.for_dpkg import ForDpkg
from imagewright.packages.deb.layout import merged
from imagewright.packages.deb.status import FOLDER
from imagewright.sandbox.stack import Stack

_STATIC_IDS = 100  # from here on, a number means another user in each image: dpkg goes by the names


class Upper:
    """The upper folder in the making. Safe to share between threads.

    Every path is looked up without its links: those of the layers below are followed here, those of packages are not.
    """

    def __init__(self, folder: Path, stack: Stack) -> None:
        self._folder, self._stack = str(folder), stack
        self._diverted = _diverted(stack)
        self._lock = threading.Lock()
        self._directories: dict[str, tuple[int, int, int] | None] = {"": None}  # what a package said of it; None: below
        self._times: dict[str, int] = {}
        self._others: set[str] = set()
        self._real: dict[str, str] = {}
        self._owns = os.geteuid() == 0

    def add(self, member: Member, package: str) -> None:
        """Make an entry of a package."""
        if (
            member.uid >= _STATIC_IDS
            or member.gid >= _STATIC_IDS
            or not (self._owns or (member.uid, member.gid) == (0, 0))
        ):
            raise ForDpkg(f"{package} has files of a user of its own")
        folder, _, name = member.path.rpartition("/")
        if name.endswith((".dpkg-new", ".dpkg-tmp")) or name.startswith(".wh."):
            raise ForDpkg(f"{package} has {member.path}")
        path = f"{self._directory(folder)}/{name}".lstrip("/")
        if path in self._diverted:
            raise ForDpkg(f"{package} has {member.path}, which is diverted")
        if member.kind == "directory":
            self._add_directory(path, member, package)
            return
        with self._lock:
            if path in self._others or path in self._directories or self._is_below(path):
                raise ForDpkg(f"{package} has {member.path}, which is there")
            self._others.add(path)
        try:
            self._make(f"{self._folder}/{path}", member, package)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise ForDpkg(f"{package} has files of a user that this one may not give them to") from error

    def _make(self, full: str, member: Member, package: str) -> None:
        match member.kind:
            case "file":
                descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                try:
                    for piece in member.pieces:
                        written = os.write(descriptor, piece)
                        while written < len(piece):
                            written += os.write(descriptor, piece[written:])
                    if self._owns and (member.uid or member.gid):
                        os.fchown(descriptor, member.uid, member.gid)
                    os.fchmod(descriptor, member.mode)
                    os.utime(descriptor, (member.mtime, member.mtime))
                finally:
                    os.close(descriptor)
            case "symlink":
                os.symlink(member.link, full)
                if self._owns and (member.uid or member.gid):
                    os.lchown(full, member.uid, member.gid)
                os.utime(full, (member.mtime, member.mtime), follow_symlinks=False)
            case "hardlink":
                folder, _, name = member.link.rpartition("/")
                target = f"{self._directory(folder)}/{name}".lstrip("/")
                if target not in self._others:
                    raise ForDpkg(f"{package} has {member.path}, a link to what it has not")
                os.link(f"{self._folder}/{target}", full, follow_symlinks=False)

    def info(self, name: str, content: bytes, mode: int, *, mtime: int | None = None) -> None:
        """Write a file of dpkg's database; it is of now, or as old as the package says."""
        path = f"{self._directory(f'{FOLDER}/info')}/{name}"
        descriptor = os.open(f"{self._folder}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
        if mtime is not None:
            os.utime(f"{self._folder}/{path}", (mtime, mtime))

    def finish(self) -> None:
        """Give folders in which nothing was made the time that they have below, or that their package says."""
        made = {path.rpartition("/")[0] for path in self._others}
        made |= {path.rpartition("/")[0] for path, said in self._directories.items() if said}
        for path in self._directories.keys() - made - {"", f"{FOLDER}/info"}:
            mtime = self._times[path] if path in self._times else int(self._stack.status(f"/{path}").st_mtime)
            os.utime(f"{self._folder}/{path}", (mtime, mtime))

    def _add_directory(self, path: str, member: Member, package: str) -> None:
        said = (member.mode, member.uid, member.gid)
        with self._lock:
            if path in self._others:
                raise ForDpkg(f"{package} has the folder {member.path}, which another has as a file")
            if path in self._directories:
                if self._directories[path] not in (None, said):
                    raise ForDpkg(f"{package} has the folder {member.path}, with other rights than another one")
                if path in self._times:
                    self._times[path] = min(self._times[path], member.mtime)
                return
            if self._is_below(path):
                if not self._is_folder(path):
                    raise ForDpkg(f"{package} has the folder {member.path}, which is a file below")
                return  # it stays as it is, and is made here when something comes into it
            os.mkdir(f"{self._folder}/{path}", 0o700)
            if self._owns:
                os.chown(f"{self._folder}/{path}", member.uid, member.gid)
            os.chmod(f"{self._folder}/{path}", member.mode)
            self._directories[path] = said
            self._times[path] = member.mtime

    def _directory(self, path: str) -> str:
        """Where a folder really is; made here as it is below."""
        with self._lock:
            return self._made(path)

    def _made(self, path: str) -> str:
        if path in self._real:
            return self._real[path]
        parent, _, name = path.rpartition("/")
        real = f"{self._made(parent)}/{name}".lstrip("/") if path else ""
        if real not in self._directories:
            if real in self._others:
                raise ForDpkg(f"/{path} is a link of one package, and a folder of another")
            resolved = self._stack.resolve(f"/{real}").lstrip("/")
            if resolved != real:
                real = self._real[path] = self._made(resolved)
                return real
            try:
                status = self._stack.status(f"/{real}")
            except FileNotFoundError:
                raise ForDpkg(f"/{path} is not there, and no package makes it") from None
            os.mkdir(f"{self._folder}/{real}", 0o700)
            if self._owns:
                os.chown(f"{self._folder}/{real}", status.st_uid, status.st_gid)
            os.chmod(f"{self._folder}/{real}", status.st_mode & 0o7777)
            self._directories[real] = None
        self._real[path] = real
        return real

    def _is_below(self, path: str) -> bool:
        """Whether a layer below has anything at a path whose folder is without links, be it that it takes something away."""
        return any(os.path.lexists(f"{folder}/{path}") for folder in self._stack.folders)

    def _is_folder(self, path: str) -> bool:
        try:
            return stat.S_ISDIR(self._stack.status(f"/{path}").st_mode)
        except FileNotFoundError:
            return False


def _diverted(stack: Stack) -> frozenset[str]:
    """The paths of diversions, those that are taken away and those that they become. Source: dpkg 1.21, db-fsys-divert.c."""
    lines = stack.read(f"/{FOLDER}/diversions").decode("utf-8", "replace").splitlines()
    paths = [line.lstrip("/") for at, line in enumerate(lines) if at % 3 < 2]
    return frozenset((*paths, *map(merged, paths)))
