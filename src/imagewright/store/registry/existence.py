"""Is an image there, whole, and for a platform? Yes, no, or nobody can tell."""

from collections.abc import Sequence
from typing import Literal

from imagewright.dataclass import dataclass
from imagewright.errors import CredentialsError, ImagewrightError, NetworkError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.parallel import run_all
from imagewright.store.contents import blobs_of, read_manifest
from imagewright.store.copy import ManifestsOnce
from imagewright.store.images import platforms_of
from imagewright.store.protocol import BlobSource
from imagewright.store.registry.repository import Repository

JOBS = 8


@dataclass(frozen=True, slots=True)
class There:
    """It is there, for these platforms, and every blob of the platform that was asked for (or of all) is."""

    manifest: Descriptor
    platforms: tuple[Platform, ...]


@dataclass(frozen=True, slots=True)
class NotThere:
    """The registry says that it is not there: there is no such tag, no such platform, or a blob is missing."""

    reason: Literal["no such image", "no such platform", "incomplete"]
    platforms: tuple[Platform, ...] = ()
    missing: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The registry did not say, and why. Neither a yes nor a no."""

    error: ImagewrightError


Existence = There | NotThere | CannotTell


def existence(repository: Repository, tag: str, platform: Platform | None) -> Existence:
    """Whether what ``tag`` (or a digest) points to can be pulled. A HEAD request, the manifests, and a HEAD for each blob."""
    try:
        root = repository.resolve(tag)
        if root is None:
            return NotThere("no such image")
        source = ManifestsOnce(repository)
        platforms = platforms_of(source, root, name=f"{repository.registry}/{repository.repository}:{tag}")
        if platform is not None and not any(platform.runs(one) for one in platforms):
            return NotThere("no such platform", platforms)
        blobs = _blobs(source, root, platform)
        there = run_all(repository.exists, blobs, jobs=JOBS)
    except (NetworkError, CredentialsError) as error:
        return CannotTell(error)
    missing = tuple(blob.digest for blob, found in zip(blobs, there, strict=True) if not found)
    return NotThere("incomplete", platforms, missing) if missing else There(root, platforms)


def _blobs(source: BlobSource, manifest: Descriptor, platform: Platform | None) -> Sequence[Descriptor]:
    """The layers and configs, each once."""
    found: dict[Digest, Descriptor] = {}
    for part in blobs_of(manifest, read_manifest(source, manifest)):
        if manifest.media_type in media_types.INDEXES:
            if platform is None or part.platform is None or platform.runs(part.platform):
                found.update((blob.digest, blob) for blob in _blobs(source, part, None))
        else:
            found[part.digest] = part
    return tuple(found.values())
