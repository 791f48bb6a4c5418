"""One blob on its way into a folder: written under a scratch name, named by its digest when it is whole."""

import errno
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from imagewright.errors import StoreError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest, hex_of

CHUNK = 1 << 18  # hashlib lets go of the GIL only for more than 2047 bytes at a time (Python docs, hashlib)


class Ingest:
    """Takes a blob's bytes and counts size and digest on the way. For one thread."""

    def __init__(self, scratch: Path, blobs: Path) -> None:
        self._blobs = blobs
        self.path = scratch / scratch_name()
        self._pending = bytearray()
        self._digest, self._size = hashlib.sha256(), 0
        try:
            self._file = self.path.open("xb", buffering=0)
        except OSError as error:
            raise cannot("write", blobs.parent.parent, error) from error

    @property
    def written(self) -> int:
        """How many bytes the file at ``path`` has; the last ones come with `commit`."""
        return self._size

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        if len(data) < CHUNK:
            self._pending += data
            if len(self._pending) < CHUNK:
                return
            data, self._pending = bytes(self._pending), bytearray()
        elif self._pending:
            self._out(bytes(self._pending))
            self._pending = bytearray()
        self._out(data)

    def commit(self, media_type: str, *, annotations: Mapping[str, str] | None = None) -> Descriptor:
        """Name the blob by its digest. One that is there already is replaced, which heals it if it was damaged."""
        self._out(bytes(self._pending))
        self._pending = bytearray()
        self._file.close()
        digest = Digest(f"sha256:{self._digest.hexdigest()}")
        try:
            self.path.replace(self._blobs / hex_of(digest))
        except OSError as error:
            raise cannot("write", self._blobs.parent.parent, error) from error
        return Descriptor(media_type, digest, self._size, annotations or {})

    def close(self) -> None:
        """Throw away what was not committed."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _out(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise cannot("write", self._blobs.parent.parent, error) from error
        self._size += len(data)


def scratch_name() -> str:
    """A file name that no other thread or process takes."""
    return f"{os.getpid()}-{secrets.token_hex(8)}"


def cannot(verb: str, root: Path, error: OSError) -> StoreError:
    """The error for a store in folder ``root`` that the file system does not let us read or write."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        from shutil import disk_usage  # 2 ms of every build

        free = disk_usage(root).free
        return StoreError(
            f"no space is left for the local store in {root}",
            code="IW522",
            why=f"{reason}: {free / 1e6:.1f} MB free there",
            kept="all that was stored before; the unfinished file is gone",
            fix=("imagewright cache prune", "IMAGEWRIGHT_CACHE_DIR=/a/folder/with/more/space"),
        )
    return StoreError(
        f"cannot {verb} the local store in {root}",
        why=f"{reason}: {error.filename or root}",
        fix="IMAGEWRIGHT_CACHE_DIR=/a/folder/that/is/yours",
    )
