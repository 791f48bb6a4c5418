"""The image index: manifests, mostly one for each platform."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import canonical_json
from imagewright.oci.document import parse_object
from imagewright.oci.manifest import MAX_BYTES

MAX_MANIFESTS = 1000


@dataclass(frozen=True, slots=True)
class Index:
    """Manifests by descriptor, each with its platform. Source: OCI image-spec v1.1, image-index.md."""

    manifests: Sequence[Descriptor]
    media_type: str = media_types.IMAGE_INDEX
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The index's one spelling: equal indexes have equal bytes."""
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [manifest.to_json() for manifest in self.manifests],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return canonical_json(document)

    @classmethod
    def parse(cls, data: bytes, *, media_type: str) -> "Index":
        """Read an index that somebody else wrote; ``media_type`` is what it was announced as.

        A document that could be read as a manifest as well is refused (CVE-2021-41190).

        Raises:
            ValueError: It is not an index.
        """
        document = parse_object(data, limit=MAX_BYTES)
        if "layers" in document or "config" in document or "fsLayers" in document:
            raise ValueError("the index has fields of a manifest")
        if document.get("mediaType", media_type) != media_type:
            raise ValueError(f"announced as {media_type}, but says that it is {document['mediaType']}")
        manifests = document.get("manifests")
        if not isinstance(manifests, list) or len(manifests) > MAX_MANIFESTS:
            raise ValueError(f"an index lists up to {MAX_MANIFESTS} manifests")
        annotations = document.get("annotations") or {}
        return cls(
            tuple(Descriptor.from_json(manifest) for manifest in manifests),
            media_type,
            annotations if isinstance(annotations, dict) else {},
        )
