"""What a manifest or an index names."""

from imagewright.errors import IntegrityError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest
from imagewright.oci.index import Index
from imagewright.oci.manifest import MAX_BYTES, Manifest
from imagewright.store.protocol import BlobSource

MAX_DEPTH = 4
"""Indexes in each other that are followed. Images in use have one; a registry may hold an index of indexes."""

MAX_MANIFESTS = 1000


def blobs_of(blob: Descriptor, data: bytes) -> tuple[Descriptor, ...]:
    """The blobs that ``blob`` names directly: layers and config of a manifest, manifests of an index, else nothing.

    Raises:
        IntegrityError: It is announced as a manifest or an index and is none.
    """
    try:
        return _named(blob, data)
    except ValueError as error:
        raise IntegrityError(
            f"{blob.digest} is not what it is announced as: {blob.media_type}", why=str(error)
        ) from error


def reachable(source: BlobSource, root: Descriptor) -> tuple[tuple[Descriptor, ...], tuple[Descriptor, ...]]:
    """The blobs that a manifest or an index leads to, and the manifests in the order in which they may be pushed.

    Each comes once; ``root`` is the last manifest.

    Raises:
        IntegrityError: A manifest is not one, or leads to more, and deeper, than any image does.
    """
    blobs: dict[Digest, Descriptor] = {}
    manifests: dict[Digest, Descriptor] = {}

    def visit(blob: Descriptor, depth: int) -> None:
        if not is_manifest(blob):
            blobs[blob.digest] = blob
        elif blob.digest not in manifests:
            if depth > MAX_DEPTH or len(manifests) >= MAX_MANIFESTS:
                raise IntegrityError(
                    f"{root.digest} leads to indexes in indexes without end",
                    why=f"{MAX_DEPTH} deep and {MAX_MANIFESTS} manifests are followed",
                )
            for part in blobs_of(blob, read_manifest(source, blob)):
                visit(part, depth + 1)
            manifests[blob.digest] = blob

    visit(root, 1)
    return tuple(blobs.values()), tuple(manifests.values())


def read_manifest(source: BlobSource, blob: Descriptor) -> bytes:
    """The bytes of a manifest or an index.

    Raises:
        IntegrityError: It is announced to be larger than a manifest may be; nothing was fetched.
    """
    if blob.size > MAX_BYTES:
        raise IntegrityError(
            f"manifest {blob.digest} is over the limit of {MAX_BYTES} bytes", why=f"it is said to have {blob.size}"
        )
    return b"".join(source.fetch(blob))


def is_manifest(blob: Descriptor) -> bool:
    """Whether the blob is a manifest or an index."""
    return blob.media_type in media_types.MANIFESTS or blob.media_type in media_types.INDEXES


def _named(blob: Descriptor, data: bytes) -> tuple[Descriptor, ...]:
    if blob.media_type in media_types.MANIFESTS:
        manifest = Manifest.parse(data, media_type=blob.media_type)
        return (*manifest.layers, manifest.config)
    if blob.media_type in media_types.INDEXES:
        return tuple(Index.parse(data, media_type=blob.media_type).manifests)
    return ()
