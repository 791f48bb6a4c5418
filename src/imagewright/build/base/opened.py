"""Where a base image is, opened: its blobs, and its manifest and config, which are remembered by digest."""

import threading
from collections.abc import Iterator
from pathlib import Path

from imagewright.build.base.locked import LockedImage
from imagewright.build.destination import source_of
from imagewright.build.session import Session
from imagewright.errors import LockError, StoreError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of, hex_of
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.spec.base_image import parse_local
from imagewright.store.contents import is_manifest
from imagewright.store.images import ReadImage, read_image
from imagewright.store.local_images import open_local_image
from imagewright.store.protocol import BlobSource


def open_tag(spec: ImageSpec, platform: Platform, session: Session) -> tuple[BlobSource, ReadImage]:
    """What the base's name stands for now, for one platform. One or two small requests for an image of a registry.

    Raises:
        LockError: It cannot be asked offline (IW205), or is not made for the platform (IW204).
        StoreError: There is no such image (IW521).
        NetworkError, CredentialsError: The registry cannot tell.
    """
    name = _name(spec)
    local = parse_local(name)
    if local is not None:
        source: BlobSource
        source, root = open_local_image(local, spec.directory)
        return source, read_image(source, root, platform, name=name)
    reference = Reference.parse(name)
    if session.offline:
        raise LockError(
            f"the base image {name} is not locked yet, and --offline forbids to ask {reference.registry}",
            code="IW205",
            fix="build it once without --offline, or keep a lock file: imagewright lock",
            where=spec.where_of(name),
        )
    repository = source_of(reference, session)
    found = repository.resolve(reference.digest or reference.tag or "latest")
    if found is None:
        raise StoreError(
            f"there is no base image {reference}",
            code="IW521",
            why=f"{reference.registry} has no such image",
            fix="look at the spelling of base_image, its tag included",
        )
    source = _Remembering(session.bases_dir, repository)
    return source, read_image(source, found, platform, name=name)


def open_locked(spec: ImageSpec, locked: LockedImage, session: Session) -> tuple[BlobSource, ReadImage]:
    """The image that a lock names. Nothing is asked when its manifest and config are remembered.

    Raises:
        StoreError, NetworkError, CredentialsError: It is gone, or cannot be read.
    """
    local = parse_local(_name(spec))
    source: BlobSource
    if local is not None:
        source, _ = open_local_image(local, spec.directory)
    else:
        source = _Remembering(session.bases_dir, source_of(Reference.parse(_name(spec)), session))
    return source, read_image(source, locked.manifest, locked.target.platform, name=locked.reference)


def origin(source: BlobSource) -> BlobSource:
    """The store that blobs really come from: a registry can mount blobs of a repository of its own."""
    return source.origin if isinstance(source, _Remembering) else source


def _name(spec: ImageSpec) -> str:
    assert isinstance(spec.base_image, str)
    return spec.base_image


class _Remembering:
    """A source whose manifests and other small blobs are kept in a folder. Safe to share between threads."""

    def __init__(self, folder: Path, origin: BlobSource) -> None:
        self._folder, self.origin = folder, origin

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, checked."""
        if not is_manifest(blob) and "config" not in blob.media_type and "container.image" not in blob.media_type:
            yield from self.origin.fetch(blob)
            return
        path = self._folder / f"{hex_of(blob.digest)}.blob"
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        if digest_of(data) != blob.digest:
            data = b"".join(self.origin.fetch(blob))
            self._folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{threading.get_native_id()}.part")
            part.write_bytes(data)
            part.replace(path)
        yield data
