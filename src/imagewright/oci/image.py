"""A whole image: the config and manifest bytes that its layers make."""

from collections.abc import Mapping, Sequence

from imagewright.dataclass import dataclass
from imagewright.oci import media_types
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import canonical_json, digest_of
from imagewright.oci.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Image:
    """Config and manifest bytes, with the descriptors of all that they name."""

    descriptor: Descriptor
    manifest: bytes
    config_descriptor: Descriptor
    config: bytes
    layers: tuple[Descriptor, ...]


def assemble(
    config: ImageConfig,
    layers: Sequence[Layer],
    history: Sequence[HistoryEntry],
    *,
    annotations: Mapping[str, str] | None = None,
) -> Image:
    """The image of these layers, lowest first. Pure: equal inputs give equal bytes."""
    config_bytes = canonical_json(config.to_json([layer.diff_id for layer in layers], history))
    config_descriptor = Descriptor(media_types.IMAGE_CONFIG, digest_of(config_bytes), len(config_bytes))
    descriptors = tuple(layer.descriptor for layer in layers)
    manifest = Manifest(config_descriptor, descriptors, annotations=annotations or {}).to_bytes()
    descriptor = Descriptor(media_types.IMAGE_MANIFEST, digest_of(manifest), len(manifest), platform=config.platform)
    return Image(descriptor, manifest, config_descriptor, config_bytes, descriptors)
