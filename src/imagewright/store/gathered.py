"""Blobs of several places as one source."""

from collections.abc import Iterator, Mapping

from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest
from imagewright.store.protocol import BlobSource, BlobStore
from imagewright.store.verify import verified


class Gathered:
    """A `BlobSource`: what is ``at_hand``, else what ``store`` has, else what can be had from ``origin``."""

    def __init__(
        self, store: BlobStore, origin: BlobSource | None = None, at_hand: Mapping[Digest, bytes] | None = None
    ) -> None:
        self._store, self._origin, self._at_hand = store, origin, at_hand or {}

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, checked."""
        if blob.digest in self._at_hand:
            return verified(blob, [self._at_hand[blob.digest]], "memory")
        if self._origin is None or self._store.exists(blob):
            return self._store.fetch(blob)
        return self._origin.fetch(blob)
