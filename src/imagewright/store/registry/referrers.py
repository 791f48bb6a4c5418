"""What belongs to an image without being part of it: artifacts whose manifest names the image as its subject."""

from collections.abc import Mapping
from dataclasses import replace

from imagewright.errors import IntegrityError, NetworkError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.index import Index
from imagewright.oci.manifest import Manifest
from imagewright.store.contents import read_manifest
from imagewright.store.registry.repository import Repository

FALLBACK_TRIES = 4
_EMPTY = b"{}"  # image-spec v1.1, manifest.md, "Guidance for an Empty Descriptor"


def attach(
    repository: Repository,
    subject: Descriptor,
    data: bytes,
    *,
    artifact_type: str,
    media_type: str,
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Push ``data`` as an artifact that belongs to ``subject``, a manifest in the same repository; its manifest comes back.

    Equal arguments make an equal artifact, so that attaching it twice leaves one.

    Raises:
        NetworkError, CredentialsError: As a push does.
    """
    empty = Descriptor(media_types.EMPTY, digest_of(_EMPTY), len(_EMPTY))
    blob = Descriptor(media_type, digest_of(data), len(data))
    repository.push(empty, [_EMPTY])
    repository.push(blob, [data])
    bare = Descriptor(subject.media_type, subject.digest, subject.size)
    manifest = Manifest(empty, (blob,), annotations=annotations or {}, artifact_type=artifact_type, subject=bare)
    written = manifest.to_bytes()
    descriptor = Descriptor(
        media_types.IMAGE_MANIFEST,
        digest_of(written),
        len(written),
        annotations=annotations or {},
        artifact_type=artifact_type,
    )
    if repository.push_referrer(descriptor, written):
        return descriptor
    _list_by_tag(repository, bare, descriptor)
    return descriptor


def referrers(repository: Repository, subject: Descriptor, *, artifact_type: str = "") -> tuple[Descriptor, ...]:
    """The manifests that belong to ``subject``, of one artifact type or of all.

    One request where the registry has a list of them; one more where the list is behind a tag.
    Source: OCI distribution-spec v1.1, "Listing Referrers" and "Unavailable Referrers API".
    """
    listed = repository.listed_referrers(subject)
    found = _index_of(repository, subject).manifests if listed is None else listed
    return tuple(one for one in found if artifact_type in ("", one.artifact_type))


def content_of(repository: Repository, artifact: Descriptor, *, limit: int = 64 << 20) -> bytes:
    """The data that an artifact was attached with.

    Raises:
        IntegrityError: It is not an artifact of one blob, or a larger one.
    """
    try:
        manifest = Manifest.parse(read_manifest(repository, artifact), media_type=artifact.media_type)
        [blob] = manifest.layers
        if blob.size > limit:
            raise ValueError(f"{blob.size} bytes are over the limit of {limit}")
    except ValueError as error:
        raise IntegrityError(f"{artifact.digest} is not an artifact of one blob", why=str(error)) from error
    return b"".join(repository.fetch(blob))


def _list_by_tag(repository: Repository, subject: Descriptor, descriptor: Descriptor) -> None:
    """Add to the index that lists the referrers, where the registry keeps no list of its own.

    Of two writers at once one could undo what the other added, so the index is read again after it was written.
    """
    for _ in range(FALLBACK_TRIES):
        index = _index_of(repository, subject)
        if any(one.digest == descriptor.digest for one in index.manifests):
            return
        written = replace(index, manifests=(*index.manifests, descriptor)).to_bytes()
        listed = Descriptor(index.media_type, digest_of(written), len(written))
        repository.push(listed, [written])
        repository.tag(listed, _tag_of(subject))
    raise NetworkError(
        f"{repository.registry}/{repository.repository} does not keep what is attached to {subject.digest}",
        code="IW503",
        why=f"its index {_tag_of(subject)} was written {FALLBACK_TRIES} times, and is another each time",
    )


def _index_of(repository: Repository, subject: Descriptor) -> Index:
    found = repository.resolve(_tag_of(subject))
    if found is None:
        return Index(())
    try:
        return Index.parse(read_manifest(repository, found), media_type=found.media_type)
    except ValueError as error:
        raise IntegrityError(f"{_tag_of(subject)} is not a list of referrers", why=str(error)) from error


def _tag_of(subject: Descriptor) -> str:
    return subject.digest.replace(":", "-")
