"""A file that is on its way in, and may have been since an earlier run."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 1 << 20


class PartFile:
    """What has come of a file so far: its bytes are hashed, and no other thread or process writes to it.

    ``answered`` is the download's own note: whether a server has begun to answer.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self._hash = hashlib.sha256()
        self.size = 0
        self.answered = False
        while chunk := os.read(descriptor, CHUNK):
            self._hash.update(chunk)
            self.size += len(chunk)

    @property
    def digest(self) -> str:
        """The digest of the bytes so far."""
        return "sha256:" + self._hash.hexdigest()

    @property
    def validator(self) -> str:
        """What says to the server which version the bytes so far are of."""
        try:
            return self._note.read_text(encoding="utf-8")
        except OSError:
            return ""

    @validator.setter
    def validator(self, value: str) -> None:
        if value:
            self._note.write_text(value, encoding="utf-8")
        else:
            self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self._path.with_suffix(".etag")

    def write(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self._hash.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.size += len(chunk)

    def restart(self) -> None:
        """Forget all that has come."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._note.unlink(missing_ok=True)
        self._hash, self.size = hashlib.sha256(), 0

    def finish(self, stored: Path) -> None:
        """Give the file its name: it is complete."""
        os.fchmod(self._descriptor, 0o644)
        os.fdatasync(self._descriptor)  # else a power cut may leave the name with other bytes
        self._path.replace(stored)
        self._note.unlink(missing_ok=True)


@contextmanager
def open_part(path: Path) -> Iterator[PartFile]:
    """The part file, ours alone: other threads and processes wait. The lock ends with the process, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is(path, descriptor):  # else whoever had it has renamed it, and this is the finished file
                try:
                    yield PartFile(path, descriptor)
                finally:
                    if os.fstat(descriptor).st_size == 0 and _is(path, descriptor):
                        path.unlink(missing_ok=True)  # nothing came, or whoever had it before has finished the file
                return
        finally:
            os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    """Whether the open file still has that name."""
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
