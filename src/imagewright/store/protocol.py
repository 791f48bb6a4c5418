"""Where blobs live: three verbs, and tags."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from imagewright.oci.descriptor import Descriptor


class BlobSource(Protocol):
    """Where blobs can be had. Safe to share between threads."""

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes in chunks; size and digest have been checked by the time the last one is out.

        Raises:
            StoreError, NetworkError: It is not there, or cannot be read.
            IntegrityError: The bytes are not the blob's.
        """
        ...


class BlobStore(BlobSource, Protocol):
    """Holds blobs by digest. Manifests are blobs too: their media type says what they are.

    A store is safe to share between threads.
    """

    def exists(self, blob: Descriptor) -> bool:
        """Whether the store has the blob.

        Raises:
            NetworkError, CredentialsError, StoreError: It cannot tell. An unknown answer is never taken for a yes.
        """
        ...

    def push(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
        """Take a blob in. One that is there already stays as it is, and ``chunks`` is then not read.

        A manifest may only come after all that it names.

        Raises:
            IntegrityError: The chunks are not the blob's bytes; nothing was kept.
        """
        ...


class ImageStore(BlobStore, Protocol):
    """Holds blobs, and tags that point to manifests."""

    def resolve(self, tag: str) -> Descriptor | None:
        """What ``tag`` points to, or None when the store knows that there is no such tag.

        Raises:
            NetworkError, CredentialsError, StoreError: It cannot tell.
        """
        ...

    def tag(self, manifest: Descriptor, tag: str, content: bytes | None = None) -> None:
        """Let ``tag`` point to a manifest that the store has, or takes with it as ``content``.

        Comes last, after all that the manifest names: no tag ever dangles.
        """
        ...
