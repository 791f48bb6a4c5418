"""An image as a container needs it: its layers and config, from the local store; and how images of registries get there."""

import json
from collections.abc import Iterable

from imagewright.build.destination import local_tag, place_of
from imagewright.build.session import Session
from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, RunnerError, StoreError
from imagewright.oci import media_types
from imagewright.oci.config import ImageConfig, diff_ids_of
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.manifest import Manifest
from imagewright.oci.reference import Reference
from imagewright.parallel import run_all
from imagewright.sandbox.emulation import cannot_run, runnable, this_platform
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.store.contents import blobs_of
from imagewright.store.copy import copy_image
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource, BlobStore

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """The layers, lowest first, and what a container of them starts with."""

    layers: tuple[StoredLayer, ...]
    config: ImageConfig


def bring_here(references: Iterable[Reference], session: Session) -> dict[Reference, Reference]:
    """Copy the images that the local store does not have from their registries, several at once; pinned references.

    Raises:
        StoreError: IW521, an image is neither here nor in its registry.
        NetworkError, CredentialsError: A registry cannot tell.
    """
    wanted = list(dict.fromkeys(references))
    pinned = run_all(lambda reference: _bring(reference, session), wanted, jobs=_AT_ONCE)
    return dict(zip(wanted, pinned, strict=True))


def image_for(reference: Reference, store: Layout) -> ContainerImage:
    """The image in the local store, for the platform of this machine.

    Raises:
        StoreError: IW521, it is not there.
        RunnerError: IW701, it is for another platform.
        IntegrityError: Its manifest or config is not what its digest says.
    """
    found = _find(reference, store)
    if found is None:
        raise _absent(reference)
    return stored_image(found, store)


def stored_image(manifest: Descriptor, store: BlobStore) -> ContainerImage:
    """The image of a manifest, or of the manifest for this machine in an index."""
    manifest = _for_here(manifest, store)
    data = b"".join(store.fetch(manifest))
    try:
        parsed = Manifest.parse(data, media_type=manifest.media_type)
        document = json.loads(b"".join(store.fetch(parsed.config)))
        config, diff_ids = ImageConfig.from_json(document), diff_ids_of(document)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{manifest.digest} is not an image", why=str(error)) from error
    if len(diff_ids) != len(parsed.layers):
        raise IntegrityError(
            f"the image {manifest.digest} contradicts itself",
            why=f"its manifest has {len(parsed.layers)} layers, its config {len(diff_ids)}",
        )
    if why := cannot_run(config.platform):
        raise _other_platform(str(config.platform), why)

    def layer(number: int) -> StoredLayer:
        blob = parsed.layers[number]
        return StoredLayer(diff_ids[number], blob.media_type, lambda: store.fetch(blob))

    return ContainerImage(tuple(layer(number) for number in range(len(diff_ids))), config)


def _for_here(found: Descriptor, source: BlobSource) -> Descriptor:
    """The manifest for this machine in an index; a manifest as it is."""
    if found.media_type not in media_types.INDEXES:
        return found
    named = {one.platform: one for one in blobs_of(found, b"".join(source.fetch(found))) if one.platform is not None}
    chosen = runnable(named)
    if chosen is None:
        raise _other_platform(", ".join(map(str, named)), *filter(None, map(cannot_run, list(named)[:1])))
    return named[chosen]


def _bring(reference: Reference, session: Session) -> Reference:
    store = Layout(session.store_dir)
    found = _find(reference, store)
    if found is None or not _is_whole(found, store):
        if not reference.registry:
            raise _absent(reference)
        place = place_of(reference, session)
        found = place.resolve()
        if found is None:
            raise _absent(reference)
        found = _for_here(found, place.store)  # the layers of other platforms are not needed here
        copy_image(place.store, store, found, tag=local_tag(reference))
    return reference.with_digest(found.digest)


def _is_whole(manifest: Descriptor, store: Layout) -> bool:
    return all(store.exists(blob) for blob in blobs_of(manifest, b"".join(store.fetch(manifest))))


def _find(reference: Reference, store: Layout) -> Descriptor | None:
    if reference.digest is None:
        return store.resolve(local_tag(reference))
    try:
        data = store.path(Descriptor(media_types.IMAGE_MANIFEST, reference.digest, 0)).read_bytes()
    except FileNotFoundError:
        return None
    if digest_of(data) != reference.digest:
        return None  # as if it were not there: it is fetched or built again
    try:
        media_type = json.loads(data).get("mediaType", media_types.IMAGE_MANIFEST)
    except (ValueError, AttributeError) as error:
        raise IntegrityError(f"{reference} is not an image", why=str(error)) from error
    return Descriptor(str(media_type), reference.digest, len(data))


def _absent(reference: Reference) -> StoreError:
    return StoreError(
        f"there is no image {reference} to run in",
        code="IW521",
        why="it is not in the local store" + (f", nor at {reference.registry}" if reference.registry else ""),
        fix="imagewright image list shows what is here; imagewright build FILE makes the images that its tasks name",
    )


def _other_platform(others: str, why: str) -> RunnerError:
    return RunnerError(
        f"the image is for {others}, which does not run here",
        code="IW701",
        why=why,
        fix=f'platform="{others.replace(" ", "")},{this_platform()}", to run it here as well',
    )
