"""Images of the local store, found by what a person types, and taken apart for showing."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from imagewright.build.failed import FAILED
from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, StoreError, UsageError
from imagewright.oci import media_types
from imagewright.oci.config import ImageConfig, diff_ids_of
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import DiffID, hex_of
from imagewright.oci.manifest import Manifest
from imagewright.oci.platform import Platform
from imagewright.store.contents import blobs_of, read_manifest
from imagewright.store.images import read_config
from imagewright.store.layout import Layout, StoredImage
from imagewright.store.protocol import BlobSource


@dataclass(frozen=True, slots=True)
class Details:
    """One image for one platform: its manifest, its config, and the config as it is written."""

    manifest: Manifest
    config: ImageConfig
    document: Any

    @property
    def size(self) -> int:
        """Bytes of its layers as they are stored."""
        return sum(layer.size for layer in self.manifest.layers)

    @property
    def titles(self) -> list[str]:
        """What each layer is, lowest first; "" where nobody wrote it down."""
        history = self.document.get("history") or []
        named = [str(entry.get("created_by", "")) for entry in history if not entry.get("empty_layer")]
        return named if len(named) == len(self.manifest.layers) else [""] * len(self.manifest.layers)


def find_image(store: Layout, name: str) -> StoredImage:
    """The one image that ``name`` means: ``repository:tag``, a repository that has one tag, or the start of a digest.

    Raises:
        StoreError: There is none, or more than one (IW521).
    """
    images = store.images()
    found = _matching(images, name)
    if len(found) == 1 or (found and len({image.descriptor.digest for image in found}) == 1):
        return found[0]
    if found:
        raise StoreError(
            f"{name!r} is {len(found)} images of the local store",
            code="IW521",
            why=[f"{image.name_tag}  {image.descriptor.digest[:19]}" for image in found],
            fix=f"name one of them with its tag: {found[0].name_tag}",
        )
    near = get_close_matches(
        name, [*{_repository(image): None for image in images}, *(i.name_tag for i in images)], n=1
    )
    raise StoreError(
        f"there is no image {name!r} in the local store",
        code="IW521",
        why=f"looked in {store.root}",
        fix=f"did you mean {near[0]!r}?" if near else "imagewright image list shows those that are there",
    )


def _matching(images: Sequence[StoredImage], name: str) -> list[StoredImage]:
    reference, _, digest = name.partition("@")
    if digest or name.startswith("sha256:"):
        wanted = digest or name
        return [image for image in images if len(wanted) >= 15 and image.descriptor.digest.startswith(wanted)]
    exact = [image for image in images if image.name_tag == reference]
    same = [image for image in images if _repository(image) == reference]
    # What a failed build has left is meant when it is named, or when there is nothing else.
    return exact or [image for image in same if not image.name_tag.endswith(f":{FAILED}")] or same


def _repository(image: StoredImage) -> str:
    head, _, tail = image.name_tag.rpartition(":")
    return image.name_tag if not head or "/" in tail else head


def platform_of(store: BlobSource, root: Descriptor, platform: str, *, name: str) -> Descriptor:
    """The manifest for one platform of an image, or of the images of an index.

    Raises:
        UsageError: That is no platform.
        StoreError: The image is not for it (IW521).
    """
    try:
        wanted = Platform.parse(platform)
    except ValueError as error:
        raise UsageError(f"--platform {platform}: {error}", fix="--platform linux/amd64") from error
    found = dict(_manifests(store, root))
    for one, manifest in found.items():
        if wanted.runs(one):
            return manifest
    raise StoreError(
        f"{name} is not for {wanted}",
        code="IW521",
        why=f"it is for {', '.join(map(str, found)) or 'no platform that it names'}",
        fix=f"--platform {next(iter(found), wanted)}",
    )


def _manifests(store: BlobSource, root: Descriptor) -> Iterator[tuple[Platform, Descriptor]]:
    """Of an index what it says, and else what the config says."""
    if root.media_type in media_types.INDEXES:
        for part in blobs_of(root, read_manifest(store, root)):
            if part.platform is None:
                yield from _manifests(store, part)
            elif part.platform.os != "unknown":  # what belongs to the images, such as attestations
                yield part.platform, part
    else:
        for platform in details(store, root):
            yield platform, root


def details(store: BlobSource, descriptor: Descriptor) -> dict[Platform, Details]:
    """The image's contents for each platform that it has.

    Raises:
        StoreError, IntegrityError: A part of it is not there, or not what it should be.
    """
    data = read_manifest(store, descriptor)
    try:
        if descriptor.media_type in media_types.INDEXES:
            parts = [
                part for part in blobs_of(descriptor, data) if not (part.platform and part.platform.os == "unknown")
            ]
            return {platform: one for part in parts for platform, one in details(store, part).items()}
        manifest = Manifest.parse(data, media_type=descriptor.media_type)
        document = read_config(store, manifest.config)
        config = ImageConfig.from_json(document)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{descriptor.digest} is not an image", why=str(error)) from error
    return {config.platform: Details(manifest, config, document)}


def diff_ids_of_images(store: Layout) -> set[DiffID]:
    """The layers, uncompressed, of all images of the store. An image that cannot be read has none."""
    found: set[DiffID] = set()
    for image in store.images():
        with suppress(StoreError, IntegrityError, ValueError, KeyError, TypeError):
            for one in details(store, image.descriptor).values():
                found.update(diff_ids_of(one.document))
    return found


def short(digest: str) -> str:
    """The first 12 digits of a digest."""
    return hex_of(digest)[:12]
