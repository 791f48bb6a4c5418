"""What every store promises, whatever it is made of."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.errors import ImagewrightError, IntegrityError, NetworkError, StoreError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.index import Index
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore
from imagewright.store.protocol import ImageStore
from imagewright.store.registry.repository import Repository
from imagewright.testing.images import make_image
from imagewright.testing.registry import FakeRegistry, docker_registry, docker_registry_program
from imagewright.transport import Transport

OCTETS = "application/octet-stream"


@pytest.fixture(scope="session")
def docker_registry_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry, one for all tests."""
    if docker_registry_program() is None:
        pytest.skip("docker-registry is not installed")
    with docker_registry(tmp_path_factory.mktemp("registry")) as place:
        yield place


@pytest.fixture(
    params=["memory", "layout", "fake registry", pytest.param("docker-registry", marks=pytest.mark.tool)],
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImageStore]:
    """An empty store of each kind."""
    match request.param:
        case "memory":
            yield MemoryStore()
        case "layout":
            yield Layout(tmp_path / "store")
        case "fake registry":
            with FakeRegistry().serve() as place, Transport() as transport:
                yield Repository(place, "acme/demo", transport)
        case _:
            place = request.getfixturevalue("docker_registry_place")
            with Transport() as transport:
                yield Repository(place, f"acme/{uuid.uuid4().hex}", transport)


def blob_of(data: bytes) -> Descriptor:
    return Descriptor(OCTETS, digest_of(data), len(data))


def unread() -> Iterator[bytes]:
    """Bytes that nobody may ask for."""
    raise AssertionError("read, although the blob is there")
    yield b""


@pytest.mark.parametrize("data", [b"hello", b"", b"x" * 3_000_001], ids=["small", "empty", "large"])
def test_what_was_pushed_can_be_fetched(store: ImageStore, data: bytes) -> None:
    """Before a push a blob does not exist; after it, it does, with its bytes."""
    blob = blob_of(data)
    assert not store.exists(blob)

    store.push(blob, [data[:1_000_000], data[1_000_000:]])

    assert store.exists(blob)
    assert b"".join(store.fetch(blob)) == data


def test_a_blob_that_is_there_is_not_read_again(store: ImageStore) -> None:
    """A second push leaves the chunks alone."""
    blob = blob_of(b"hello")
    store.push(blob, [b"hello"])

    store.push(blob, unread())

    assert b"".join(store.fetch(blob)) == b"hello"


@pytest.mark.parametrize("wrong", [b"jello", b"hell", b"hello!"])
def test_other_bytes_are_refused(store: ImageStore, wrong: bytes) -> None:
    """Bytes that are not the blob's, fewer or more, are an error, and nothing is kept."""
    blob = blob_of(b"hello")

    with pytest.raises(IntegrityError):
        store.push(blob, [wrong])

    assert not store.exists(blob)


def test_what_is_not_there_cannot_be_fetched(store: ImageStore) -> None:
    """A missing blob is an error, not an empty answer."""
    with pytest.raises((StoreError, NetworkError)):
        b"".join(store.fetch(blob_of(b"nothing")))


def test_a_tag_points_to_a_manifest(store: ImageStore) -> None:
    """A tag is unknown until it is set, and moves when it is set again."""
    first, second = make_image({"a": b"1"}), make_image({"a": b"2"})
    assert store.resolve("latest") is None

    store.tag(first.push_to(store), "latest")
    assert store.resolve("latest") == first.image.descriptor
    store.tag(second.push_to(store), "latest")

    assert store.resolve("latest") == second.image.descriptor
    assert b"".join(store.fetch(first.image.descriptor)) == first.image.manifest


def test_a_manifest_comes_after_what_it_names(store: ImageStore) -> None:
    """A manifest without its layers is refused, so that no tag ever dangles."""
    made = make_image()

    with pytest.raises(ImagewrightError):
        store.push(made.image.descriptor, [made.image.manifest])

    assert not store.exists(made.image.descriptor)


def test_only_a_manifest_that_is_there_is_tagged(store: ImageStore) -> None:
    """No tag points to nothing."""
    with pytest.raises(ImagewrightError):
        store.tag(make_image().image.descriptor, "latest")

    assert store.resolve("latest") is None


def test_threads_may_push_the_same_blob(store: ImageStore) -> None:
    """Eight at once leave one blob that can be read."""
    data = b"y" * 500_000
    blob = blob_of(data)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.push(blob, [data]), range(8)))

    assert b"".join(store.fetch(blob)) == data


def test_an_index_comes_after_its_images(store: ImageStore) -> None:
    """It is a manifest as others are: refused before its images, then kept byte for byte under its tag."""
    made = make_image()
    data = Index((made.image.descriptor,)).to_bytes()
    index = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
    with pytest.raises(ImagewrightError):
        store.tag(index, "all", data)

    made.push_to(store)
    store.tag(index, "all", data)

    assert store.resolve("all") == index
    assert b"".join(store.fetch(index)) == data


def test_what_was_never_put_there_is_a_no(store: ImageStore) -> None:
    """Another tag, or another manifest, whatever else is there."""
    made = make_image()
    store.tag(made.push_to(store), "v1")

    assert store.resolve("v2") is None
    assert not store.exists(replace(made.image.descriptor, digest=digest_of(b"another")))
