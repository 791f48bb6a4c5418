"""Size and digest, checked while bytes go by."""

import hashlib
from collections.abc import Iterable, Iterator

from imagewright.errors import IntegrityError
from imagewright.oci.descriptor import Descriptor
from imagewright.store.protocol import BlobSource


class DamagedInTransit(IntegrityError):
    """What a registry sent is not the blob. Another try may bring the right bytes."""


class Fetched:
    """A blob's bytes, fetched anew each time that they are iterated over; ``read`` tells whether they were."""

    def __init__(self, source: BlobSource, blob: Descriptor) -> None:
        self._source, self.blob = source, blob
        self.read = False

    def __iter__(self) -> Iterator[bytes]:
        self.read = True
        return self._source.fetch(self.blob)


def verified(blob: Descriptor, chunks: Iterable[bytes], place: str) -> Iterator[bytes]:
    """``chunks`` handed on; by the time the last one is out, they were the blob's bytes.

    Never more than the blob's size is handed on. ``place`` names where they come from. What was `Fetched` its source has
    checked, and it is not hashed a second time.

    Raises:
        IntegrityError: They are too many, too few or others.
    """
    if isinstance(chunks, Fetched) and (chunks.blob.digest, chunks.blob.size) == (blob.digest, blob.size):
        yield from chunks
        return
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > blob.size:
            raise _not_the_blob(blob, f"more than {blob.size} bytes", place)
        digest.update(chunk)
        yield chunk
    if size != blob.size:
        raise _not_the_blob(blob, f"{size} bytes, not {blob.size}", place)
    if (found := f"sha256:{digest.hexdigest()}") != blob.digest:
        raise _not_the_blob(blob, found, place)


def _not_the_blob(blob: Descriptor, found: str, place: str) -> IntegrityError:
    return IntegrityError(
        f"blob {blob.digest} has other bytes than its digest says",
        why=(f"expected {blob.size} bytes with {blob.digest}", f"found {found} in {place}"),
    )
