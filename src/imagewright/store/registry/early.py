"""An upload that begins while the blob is still being written: its digest is only said at the end."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from imagewright.errors import CredentialsError, IntegrityError, NetworkError
from imagewright.oci.descriptor import Descriptor
from imagewright.parallel import beside
from imagewright.store.ingest import Ingest
from imagewright.store.registry.repository import Repository

PIECE = 1 << 20  # each costs some turns of the interpreter, which the writer of the blob wants as well
WORTH_ASKING = 4 << 20
"""Bytes left to send when the blob is whole from which on a HEAD request is made first: it may be there already."""


class EarlyUpload:
    """Takes a blob's bytes for an `Ingest`, and sends what it has written at the pace of the network.

    The sender reads the file, so that a slow network neither holds up the writer nor fills the memory. It is a chance
    and no promise: when anything goes wrong the blob is pushed as any other afterwards. `upload.send_unknown` decides how many requests it takes.
    Source: OCI distribution-spec v1.1, "Pushing a blob in chunks".
    """

    def __init__(self, repository: Repository, blob: Ingest) -> None:
        self._repository, self._blob = repository, blob
        self._changed = threading.Condition()
        self._written = 0
        self._sent = 0
        self._whole: Descriptor | None = None
        self._ended = False
        self._over = threading.Event()
        self._there = False
        self._file = os.open(blob.path, os.O_RDONLY | os.O_CLOEXEC)  # now: it is renamed when it is whole

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._blob.write(data)
        if self._blob.written > self._written:
            with self._changed:
                self._written = self._blob.written
                self._changed.notify()

    def finish(self, blob: Descriptor) -> bool:
        """Say what the bytes were, and wait. True when they have arrived, False when the blob is still to be pushed.

        Raises:
            NetworkError, CredentialsError: The registry cannot tell whether it has the blob.
        """
        if not self._over.is_set() and blob.size - self._sent > WORTH_ASKING and self._repository.exists(blob):
            self.cancel()
            return False
        with self._changed:
            self._written, self._whole = blob.size, blob
            self._changed.notify()
        self._over.wait()
        return self._there

    def cancel(self) -> None:
        """Send no more. Without meaning after `finish`."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def send(self) -> None:
        """Send; on a thread of its own, which ends with the blob or with `cancel`."""
        try:
            self._repository.upload_unknown(self, self._made)
            self._there = True
        except (_Cancelled, NetworkError, CredentialsError, IntegrityError, OSError):
            pass  # whoever pushes the blob afterwards finds out what is wrong, and says so
        finally:
            os.close(self._file)
            self._over.set()

    def _made(self) -> Descriptor:
        if self._whole is None:
            raise _Cancelled
        return self._whole

    def wait(self, position: int, least: int) -> int:
        """Wait until ``least`` bytes from ``position`` on are written, or all there will be; how many are."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._written >= position + least or self._whole is not None)
            if self._ended:
                raise _Cancelled
            return self._written - position

    def read(self, position: int, size: int | None) -> Iterator[bytes]:
        """The ``size`` bytes from ``position`` on, which are written; without a size all there will ever be, and only once."""
        if size is None and self._sent:
            raise _Cancelled  # asked for the bytes once more: a login came late, or the connection was cut
        end = None if size is None else position + size
        while left := self.wait(position, 1) if end is None else end - position:
            chunk = os.pread(self._file, min(PIECE, left), position)
            position += len(chunk)
            self._sent = position
            yield chunk


class _Cancelled(Exception):
    """The rest of the upload is not wanted."""


@contextmanager
def early_upload(repository: Repository, blob: Ingest) -> Iterator[EarlyUpload]:
    """An upload of what is about to be written; leaving the body ends it."""
    upload = EarlyUpload(repository, blob)
    with beside(upload.send):
        try:
            yield upload
        finally:
            upload.cancel()
