"""The image manifest: a config and layers, by descriptor."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import canonical_json
from imagewright.oci.document import parse_object

MAX_BYTES = 4 << 20  # distribution-spec v1.1, "Pushing manifests": registries need not take more
MAX_LAYERS = 1000


@dataclass(frozen=True, slots=True)
class Manifest:
    """A config and the layers above each other, lowest first. Source: OCI image-spec v1.1, manifest.md.

    Something else than an image says what in ``artifact_type``; ``subject`` is the manifest that it belongs to.
    """

    config: Descriptor
    layers: Sequence[Descriptor]
    media_type: str = media_types.IMAGE_MANIFEST
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    subject: Descriptor | None = None

    def to_bytes(self) -> bytes:
        """The manifest's one spelling: equal manifests have equal bytes."""
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        if self.subject is not None:
            document["subject"] = self.subject.to_json()
        return canonical_json(document)

    @classmethod
    def parse(cls, data: bytes, *, media_type: str) -> "Manifest":
        """Read a manifest that somebody else wrote; ``media_type`` is what it was announced as.

        A document that could be read as an index as well is refused (CVE-2021-41190).

        Raises:
            ValueError: It is not an image manifest.
        """
        document = parse_object(data, limit=MAX_BYTES)
        if document.get("schemaVersion") != 2:
            raise ValueError("not an image manifest of schema version 2")
        if "manifests" in document or "fsLayers" in document:
            raise ValueError("the manifest has fields of an index or of schema version 1")
        if document.get("mediaType", media_type) != media_type:
            raise ValueError(f"announced as {media_type}, but says that it is {document['mediaType']}")
        layers = document.get("layers")
        if not isinstance(layers, list) or len(layers) > MAX_LAYERS:
            raise ValueError("a manifest lists up to 1000 layers")
        annotations, artifact_type = document.get("annotations") or {}, document.get("artifactType")
        return cls(
            Descriptor.from_json(document.get("config")),
            tuple(Descriptor.from_json(layer) for layer in layers),
            media_type,
            {k: v for k, v in annotations.items() if isinstance(v, str)} if isinstance(annotations, dict) else {},
            artifact_type if isinstance(artifact_type, str) else "",
            Descriptor.from_json(document["subject"]) if document.get("subject") is not None else None,
        )
