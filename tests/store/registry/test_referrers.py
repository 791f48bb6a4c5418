"""Artifacts that belong to an image."""

import json
from collections.abc import Iterator

import pytest

from imagewright.errors import IntegrityError, NetworkError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.store.copy import copy_image
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.referrers import attach, content_of, referrers
from imagewright.store.registry.repository import Repository
from imagewright.testing.images import make_image
from imagewright.testing.registry import FakeRegistry, Fault
from imagewright.transport import Transport

LOCK, OTHER = "application/vnd.example.lock", "application/vnd.example.other"


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(sleep=lambda seconds: None) as made:
        yield made


def image_in(repository: Repository) -> Descriptor:
    made, source = make_image(), MemoryStore()
    copy_image(source, repository, made.push_to(source), tag="latest")
    return made.image.descriptor


def put(repository: Repository, subject: Descriptor, data: bytes, kind: str = LOCK) -> Descriptor:
    return attach(repository, subject, data, artifact_type=kind, media_type="text/plain", annotations={"a": "b"})


@pytest.mark.parametrize("listed", [True, False], ids=["listed by the registry", "listed by a tag"])
def test_what_was_attached_is_found_by_its_kind(transport: Transport, listed: bool) -> None:
    """Whether the registry keeps the list or a tag does; attaching the same twice leaves one."""
    registry = FakeRegistry(referrers=listed)
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        subject = image_in(repository)
        assert referrers(repository, subject) == ()
        lock, other = put(repository, subject, b"a lock"), put(repository, subject, b"else", OTHER)
        put(repository, subject, b"a lock")

        again = Repository(place, "acme/demo", transport)
        found = referrers(again, subject)

        assert set(found) == {lock, other}
        assert [one.artifact_type for one in referrers(again, subject, artifact_type=LOCK)] == [LOCK]
        assert content_of(again, lock) == b"a lock"
    assert (subject.digest.replace(":", "-") in registry.manifests) != listed


@pytest.mark.tool
def test_docker_registry_keeps_no_list(docker_registry_place: str, transport: Transport) -> None:
    """Debian's docker-registry 2.8.2: a tag lists them."""
    repository = Repository(docker_registry_place, "acme/referrers", transport)
    subject = image_in(repository)

    lock = put(repository, subject, b"a lock")

    assert referrers(Repository(docker_registry_place, "acme/referrers", transport), subject) == (lock,)


def test_a_list_that_another_writer_undoes_is_written_again(transport: Transport) -> None:
    """Two writers at once: what one added and the other left out is added again; for ever, it is an error."""
    registry = FakeRegistry(referrers=False)
    undo = 1

    def undone(method: str, path: str) -> Fault | None:
        nonlocal undo
        if method == "HEAD" and "/manifests/sha256-" in path and undo:
            undo -= bool(registry.manifests.pop(path.rpartition("/")[2], None))
        return None

    registry.fault = undone
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        subject = image_in(repository)

        lock = put(repository, subject, b"a lock")

        assert referrers(repository, subject) == (lock,)
        undo = 99
        with pytest.raises(NetworkError, match="does not keep what is attached"):
            put(repository, subject, b"another")


def test_a_list_that_is_none_is_refused(transport: Transport) -> None:
    """A page of another kind is no list; one that is also a manifest is hostile."""
    registry = FakeRegistry()
    body = json.dumps({"schemaVersion": 2, "manifests": [], "layers": []}).encode()
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        subject = image_in(repository)
        registry.fault = lambda method, path: (
            Fault(200, {"Content-Type": media_types.IMAGE_INDEX}, body) if "referrers" in path else None
        )

        with pytest.raises(IntegrityError, match="lists no referrers"):
            referrers(repository, subject)


def test_content_is_one_blob_of_a_limited_size(transport: Transport) -> None:
    """An image is no artifact, and a large blob is not taken into memory."""
    with FakeRegistry().serve() as place:
        repository = Repository(place, "acme/demo", transport)
        made, source = make_image({"a": b"1"}, {"b": b"2"}), MemoryStore()
        copy_image(source, repository, made.push_to(source), tag="latest")

        with pytest.raises(IntegrityError, match="not an artifact of one blob"):
            content_of(repository, made.image.descriptor)
        artifact = put(repository, made.image.descriptor, b"x" * 100)
        with pytest.raises(IntegrityError, match="not an artifact of one blob"):
            content_of(repository, artifact, limit=99)


def test_an_index_is_pushed_by_the_side_of_its_images(transport: Transport) -> None:
    """Byte for byte, under its digest and its tag."""
    from imagewright.oci.index import Index

    made, source = make_image(), MemoryStore()
    data = Index((made.push_to(source),)).to_bytes()
    index = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
    source.push(index, [data])
    registry = FakeRegistry()
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)

        copy_image(source, repository, index, tag="all")

        assert repository.resolve("all") == index
        assert registry.manifests["all"] == registry.manifests[index.digest] == (media_types.IMAGE_INDEX, data)
