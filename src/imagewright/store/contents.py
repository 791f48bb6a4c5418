"""What a manifest or an index names."""

import json

from imagewright.errors import IntegrityError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest
from imagewright.oci.manifest import MAX_BYTES, Manifest
from imagewright.store.protocol import BlobSource


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
    """
    blobs: dict[Digest, Descriptor] = {}
    manifests: dict[Digest, Descriptor] = {}

    def visit(blob: Descriptor) -> None:
        if not is_manifest(blob):
            blobs[blob.digest] = blob
        elif blob.digest not in manifests:
            for part in blobs_of(blob, b"".join(source.fetch(blob))):
                visit(part)
            manifests[blob.digest] = blob

    visit(root)
    return tuple(blobs.values()), tuple(manifests.values())


def is_manifest(blob: Descriptor) -> bool:
    """Whether the blob is a manifest or an index."""
    return blob.media_type in media_types.MANIFESTS or blob.media_type in media_types.INDEXES


def _named(blob: Descriptor, data: bytes) -> tuple[Descriptor, ...]:
    if blob.media_type in media_types.MANIFESTS:
        manifest = Manifest.parse(data, media_type=blob.media_type)
        return (*manifest.layers, manifest.config)
    if blob.media_type in media_types.INDEXES:
        if len(data) > MAX_BYTES:
            raise ValueError(f"an index of {len(data)} bytes is over the limit of {MAX_BYTES}")
        document = json.loads(data)
        # A document that could be read as a manifest as well is refused (CVE-2021-41190).
        if not isinstance(document, dict) or "layers" in document or "config" in document:
            raise ValueError("not an index")
        if document.get("mediaType", blob.media_type) != blob.media_type:
            raise ValueError(f"announced as {blob.media_type}, but says that it is {document['mediaType']}")
        manifests = document.get("manifests")
        if not isinstance(manifests, list):
            raise ValueError("an index lists manifests")
        return tuple(Descriptor.from_json(manifest) for manifest in manifests)
    return ()
