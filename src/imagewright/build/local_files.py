"""Files of this machine that a lock names: their digests, remembered as long as they do not change."""

import hashlib
import json
import os
import threading
from pathlib import Path

from imagewright.errors import IntegrityError, LockError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, digest_of, hex_of


class LocalFiles:
    """Digests by path, size, mtime and inode, in ``folder``. Hashing 190 MB takes 0.5 s, remembering it none.

    Safe for several threads and processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, path: Path, file: InputFile) -> Path:
        """``path`` itself, once it is known to be the file.

        Raises:
            LockError: It is not there.
            IntegrityError: It is another file than the one that was locked.
        """
        digest, size = self.digest(path)
        if (digest, size) != (file.digest, file.size):
            raise IntegrityError(
                f"{path} is not the file that was locked",
                why=[f"expected {file.digest}, {file.size} bytes", f"it is    {digest}, {size} bytes"],
                fix="if it was changed on purpose, resolve again: --upgrade",
            )
        return path

    def pin(self, path: Path, url: str) -> InputFile:
        """The file with its digest and size.

        Raises:
            LockError: It is not there.
        """
        return InputFile(url, *self.digest(path))

    def known(self, path: Path) -> Digest | None:
        """The digest of a file, if it was read before and has not changed since; without reading it."""
        try:
            status = path.stat()
        except OSError:
            return None
        known = _read(self._memory(path))
        return Digest(known[0]) if known is not None and known[1] == _state(status) else None

    def digest(self, path: Path) -> tuple[Digest, int]:
        """The digest and the size of a file.

        Raises:
            LockError: It is not there.
        """
        try:
            with path.open("rb") as opened:
                status = os.fstat(opened.fileno())
                state, memory = _state(status), self._memory(path)
                known = _read(memory)
                if known is None or known[1] != state:
                    known = ("sha256:" + hashlib.file_digest(opened, "sha256").hexdigest(), state)
                    _write(memory, known)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise LockError(f"the file {path}, which the lock names, is not there", code="IW205") from error
        return Digest(known[0]), status.st_size

    def _memory(self, path: Path) -> Path:
        return self._folder / f"{hex_of(digest_of(os.fsencode(path)))}.json"


def _state(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _read(path: Path) -> tuple[str, list[int]] | None:
    try:
        digest, state = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return digest, state


def _write(path: Path, known: tuple[str, list[int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_text(json.dumps(known), encoding="utf-8")
    temporary.replace(path)
