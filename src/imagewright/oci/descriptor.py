"""What names a blob: its media type, digest and size."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.oci.digest import DiffID, Digest, digest_of, parse_digest
from imagewright.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob's media type, digest and size in bytes.

    Two descriptors are equal when they name the same bytes: the rest is remarks of whoever lists it. ``artifact_type``
    is "" for what is no artifact.
    Source: OCI image-spec v1.1, descriptor.md.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict, compare=False)
    platform: Platform | None = field(default=None, compare=False)
    artifact_type: str = field(default="", compare=False)

    def to_json(self) -> dict[str, Any]:
        """The descriptor as the image spec writes it."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform is not None:
            document["platform"] = {"architecture": self.platform.architecture, "os": self.platform.os}
            if self.platform.variant:
                document["platform"]["variant"] = self.platform.variant
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        return document

    @classmethod
    def from_json(cls, document: Any) -> "Descriptor":
        """Read a descriptor that somebody else wrote.

        Raises:
            ValueError: A field is missing or of the wrong kind, or ``data`` is not what the digest says. ``urls`` are
                never followed, so they are dropped.
        """
        if not isinstance(document, dict):
            raise ValueError("a descriptor is an object")
        media_type, size = document.get("mediaType"), document.get("size")
        if not isinstance(media_type, str):
            raise ValueError("a descriptor needs a mediaType")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 53:
            raise ValueError(f"a descriptor needs a size in bytes, not {size!r}")
        annotations = document.get("annotations") or {}
        if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
            raise ValueError("annotations map names to strings")
        platform, artifact_type = document.get("platform"), document.get("artifactType")
        digest = parse_digest(document.get("digest", ""))
        if "data" in document:
            _check_data(document["data"], digest, size)
        return cls(
            media_type,
            digest,
            size,
            annotations,
            _platform(platform) if isinstance(platform, dict) else None,
            artifact_type if isinstance(artifact_type, str) else "",
        )


def _check_data(text: Any, digest: Digest, size: int) -> None:
    """Refuse a copy of the blob inside its descriptor that is another: one reader would take it for the blob."""
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error, ValueError) as error:
        raise ValueError("a descriptor's data is not base64") from error
    if len(data) != size or digest_of(data) != digest:
        raise ValueError("a descriptor's data is not what its digest says")


def _platform(document: dict[str, Any]) -> Platform:
    variant = str(document.get("variant", ""))
    architecture = str(document.get("architecture", ""))
    if architecture == "arm64" and variant == "v8":
        variant = ""
    return Platform(str(document.get("os", "")), architecture, variant)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that is written: where its stored bytes are, and what they are when uncompressed."""

    descriptor: Descriptor
    diff_id: DiffID
