"""A store in memory: for tests, and the plainest statement of what a store does."""

import threading
from collections.abc import Iterable, Iterator

from imagewright.errors import StoreError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest
from imagewright.store.contents import blobs_of
from imagewright.store.verify import verified


class MemoryStore:
    """Holds blobs and tags for as long as it lives. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: dict[Digest, bytes] = {}
        self._tags: dict[str, Descriptor] = {}

    def exists(self, blob: Descriptor) -> bool:
        """Whether it has the blob."""
        return blob.digest in self._blobs

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, checked against the descriptor."""
        data = self._blobs.get(blob.digest)
        if data is None:
            raise StoreError(f"there is no blob {blob.digest} in memory")
        return verified(blob, [data], "memory")

    def push(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
        """Take a blob in, unless it is there; a manifest only after all that it names."""
        if self.exists(blob):
            return
        data = b"".join(verified(blob, chunks, "what was to be stored"))
        for part in blobs_of(blob, data):
            if not self.exists(part):
                raise StoreError(f"manifest {blob.digest} names {part.digest}, which is not in memory")
        with self._lock:
            self._blobs[blob.digest] = data

    def resolve(self, tag: str) -> Descriptor | None:
        """What ``tag`` points to, or None."""
        return self._tags.get(tag)

    def tag(self, manifest: Descriptor, tag: str, content: bytes | None = None) -> None:
        """Let ``tag`` point to a manifest that is here, or comes with it."""
        if content is not None:
            self.push(manifest, [content])
        if not self.exists(manifest):
            raise StoreError(f"there is no manifest {manifest.digest} in memory to tag as {tag}")
        with self._lock:
            self._tags[tag] = manifest
