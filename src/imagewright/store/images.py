"""An image of a store, read: the manifest for a platform, its config, and its layers."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, LockError
from imagewright.oci import media_types
from imagewright.oci.config import ImageConfig, diff_ids_of
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.document import parse_object
from imagewright.oci.manifest import Manifest
from imagewright.oci.platform import Platform
from imagewright.store.contents import MAX_DEPTH, blobs_of, read_manifest
from imagewright.store.protocol import BlobSource

MAX_CONFIG_BYTES = 8 << 20

_OCI_LAYERS = {
    media_types.LAYER_TAR: media_types.LAYER_TAR,
    media_types.LAYER_GZIP: media_types.LAYER_GZIP,
    media_types.LAYER_ZSTD: media_types.LAYER_ZSTD,
    media_types.DOCKER_LAYER_GZIP: media_types.LAYER_GZIP,
}
"""The same bytes in an OCI manifest's words: not every registry and tool takes Docker's there."""


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image for one platform, its layers in OCI's media types. ``document`` is its whole config; ``titles`` has a line of its history for each layer.

    ``annotations`` are its manifest's.
    """

    descriptor: Descriptor
    layers: tuple[Layer, ...]
    config: ImageConfig
    document: Mapping[str, Any]
    titles: tuple[str, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


def read_image(source: BlobSource, root: Descriptor, platform: Platform, *, name: str) -> ReadImage:
    """The image at ``root``, or the one for ``platform`` of the index there. Fetches manifests and the config alone.

    Raises:
        LockError: It is not for the platform (IW204).
        IntegrityError: It is no image, or contradicts itself.
    """
    for _ in range(MAX_DEPTH):
        data = read_manifest(source, root)
        if root.media_type not in media_types.INDEXES:
            break
        root = _choose(blobs_of(root, data), platform, name)
    try:
        manifest = Manifest.parse(data, media_type=root.media_type)
        document = read_config(source, manifest.config)
        config, diff_ids = ImageConfig.from_json(document), diff_ids_of(document)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{name} is not an image", why=str(error)) from error
    if len(diff_ids) != len(manifest.layers):
        raise IntegrityError(
            f"the image {name} contradicts itself",
            why=f"its manifest has {len(manifest.layers)} layers, its config {len(diff_ids)}",
        )
    _check_platform(config.platform, platform, name)
    _check_layers(manifest, name)
    blobs = (replace(blob, media_type=_OCI_LAYERS[blob.media_type]) for blob in manifest.layers)
    layers = tuple(Layer(blob, diff_id) for blob, diff_id in zip(blobs, diff_ids, strict=True))
    return ReadImage(root, layers, config, document, _titles(document, len(layers)), manifest.annotations)


def platforms_of(source: BlobSource, root: Descriptor, *, name: str) -> tuple[Platform, ...]:
    """The platforms that an image, or an index of images, is for. Fetches manifests, and of an image its config.

    Raises:
        IntegrityError: It is no image.
    """
    data = read_manifest(source, root)
    if root.media_type in media_types.INDEXES:
        named = blobs_of(root, data)
        if len(named) == 1 and named[0].platform is None and named[0].media_type in media_types.MANIFESTS:
            return platforms_of(source, named[0], name=name)
        return tuple(one.platform for one in named if one.platform is not None and one.platform.os != "unknown")
    try:
        config = read_config(source, Manifest.parse(data, media_type=root.media_type).config)
        return (ImageConfig.from_json(config).platform,)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{name} is not an image", why=str(error)) from error


def read_config(source: BlobSource, blob: Descriptor) -> dict[str, Any]:
    """An image's config, as it is written.

    Raises:
        ValueError: It is no JSON object, or larger than a config may be.
    """
    if blob.size > MAX_CONFIG_BYTES:
        raise ValueError(f"a config of {blob.size} bytes is over the limit of {MAX_CONFIG_BYTES}")
    return parse_object(b"".join(source.fetch(blob)), limit=MAX_CONFIG_BYTES)


def _choose(named: tuple[Descriptor, ...], platform: Platform, name: str) -> Descriptor:
    """The manifest of an index that is for the platform. Attestations are listed as "unknown/unknown"."""
    exact = [one for one in named if one.platform == platform]
    near = [
        one
        for one in named
        if one.platform is not None
        and (one.platform.os, one.platform.architecture) == (platform.os, platform.architecture)
    ]
    unsaid = [one for one in named if one.platform is None] if len(named) == 1 else []
    for found in (exact, near, unsaid):
        if found:
            return found[0]
    others = sorted({str(one.platform) for one in named if one.platform and one.platform.os != "unknown"})
    raise _not_for(platform, ", ".join(others) or "no platform that it names", name)


def _check_platform(has: Platform, platform: Platform, name: str) -> None:
    if (has.os, has.architecture) != (platform.os, platform.architecture):
        raise _not_for(platform, str(has), name)


def _not_for(platform: Platform, others: str, name: str) -> LockError:
    return LockError(
        f"the base image {name} is not made for {platform}",
        code="IW204",
        why=f"it is for {others}",
        fix=f'platform="{others.partition(",")[0]}", or a base image that is for {platform}',
    )


def _check_layers(manifest: Manifest, name: str) -> None:
    for layer in manifest.layers:
        if layer.media_type not in _OCI_LAYERS:
            raise LockError(
                f"the base image {name} has a layer that cannot be used: {layer.media_type}",
                code="IW204",
                why="layers are tars, plain or compressed with gzip or zstd",
                fix="take an image whose layers may be distributed",
            )


def _titles(document: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """What the image's history says of each layer; "" where it does not fit the layers."""
    history = document.get("history")
    entries = [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []
    lines = [str(entry.get("created_by", "")) for entry in entries if not entry.get("empty_layer")]
    return tuple(lines) if len(lines) == count else ("",) * count
