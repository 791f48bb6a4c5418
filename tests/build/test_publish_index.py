"""The index of the images of several platforms, in the local store and at a destination."""

from pathlib import Path

import pytest

from imagewright.build.destination import Place
from imagewright.build.publish_index import publish_index
from imagewright.errors import NetworkError
from imagewright.oci.config import ImageConfig
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.image import Image
from imagewright.oci.index import Index
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.store.images import platforms_of, read_image
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore
from imagewright.testing.images import MadeImage, make_image

REFERENCE = Reference("localhost:30000", "demo", "v1")
PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"))


@pytest.fixture
def made() -> list[MadeImage]:
    """An image for each platform; the upper layer is the same."""
    return [make_image({"bin/x": str(one).encode()}, {"same": b"same"}, config=ImageConfig(one)) for one in PLATFORMS]


def images_of(made: list[MadeImage]) -> list[Image]:
    return [one.image for one in made]


def test_the_tag_points_to_an_index_of_both(made: list[MadeImage], tmp_path: Path) -> None:
    """In both places, with the platforms, so that each finds its image."""
    store, registry = Layout(tmp_path), MemoryStore()
    for one in made:
        one.push_to(store)
        one.push_to(registry)

    index = publish_index(images_of(made), {"a": "b"}, REFERENCE, store, Place(registry, "v1"))

    assert store.resolve("localhost:30000/demo:v1") == registry.resolve("v1") == index
    read = Index.parse(b"".join(registry.fetch(index)), media_type=index.media_type)
    assert read.annotations == {"a": "b"}
    assert platforms_of(registry, index, name="demo") == PLATFORMS
    for platform, one in zip(PLATFORMS, made, strict=True):
        assert read_image(registry, index, platform, name="demo").descriptor == one.image.descriptor


def test_it_is_the_same_for_the_same_images(made: list[MadeImage], tmp_path: Path) -> None:
    """Whatever store they are in."""
    indexes = set()
    for folder in ("a", "b"):
        store = Layout(tmp_path / folder)
        for one in made:
            one.push_to(store)
        indexes.add(publish_index(images_of(made), {}, REFERENCE, store, None).digest)

    assert len(indexes) == 1


def test_images_that_are_only_in_the_registry_leave_the_local_store_alone(
    made: list[MadeImage], tmp_path: Path
) -> None:
    """An index of what is not there would be of no use."""
    store, registry = Layout(tmp_path), MemoryStore()
    made[0].push_to(store)
    for one in made:
        one.push_to(registry)

    index = publish_index(images_of(made), {}, REFERENCE, store, Place(registry, "v1"))

    assert registry.resolve("v1") == index
    assert store.images() == []


class Refusing(MemoryStore):
    """Takes no tag."""

    def tag(self, manifest: Descriptor, tag: str, content: bytes | None = None) -> None:
        raise NetworkError("it does not answer")


def test_a_failed_push_keeps_all_in_the_local_store(made: list[MadeImage], tmp_path: Path) -> None:
    """And says so."""
    store, registry = Layout(tmp_path), Refusing()
    for one in made:
        one.push_to(store)
        one.push_to(registry)

    with pytest.raises(NetworkError) as failed:
        publish_index(images_of(made), {}, REFERENCE, store, Place(registry, "v1"))

    assert "complete in the local store" in failed.value.kept
    assert store.resolve("localhost:30000/demo:v1") is not None
