"""An image goes from one store to another."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.errors import IntegrityError, NetworkError
from imagewright.events import BlobPushed, Event
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import canonical_json, digest_of
from imagewright.oci.platform import Platform
from imagewright.store.copy import copy_image
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore
from imagewright.testing.images import make_image


class Recording(MemoryStore):
    """A memory store that lists what is pushed and tagged, and may fail at some of it."""

    def __init__(self, *, fails_at: str = "", forgets: str = "") -> None:
        super().__init__()
        self.log: list[str] = []
        self.fails_at, self.forgets = fails_at, forgets

    def push(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
        self.log.append(blob.digest)
        if blob.digest == self.fails_at:
            raise NetworkError("registry.example.com did not answer", code="IW502")
        if blob.digest == self.forgets:
            self.forgets = ""
            raise NetworkError("blob unknown", code="IW503")
        super().push(blob, chunks)

    def tag(self, manifest: Descriptor, tag: str, content: bytes | None = None) -> None:
        super().tag(manifest, tag, content)
        self.log.append(tag)


def test_everything_arrives_and_the_tag_comes_last() -> None:
    """Blobs, then the manifest, then the tag; each is told as uploaded, and the second time only the manifest is."""
    made, source, destination = make_image({"a": b"1"}, {"b": b"2"}), MemoryStore(), Recording()
    made.push_to(source)
    events: list[Event] = []

    copy_image(source, destination, made.image.descriptor, tag="latest", listen=events.append)
    copy_image(source, destination, made.image.descriptor, tag="latest", listen=events.append)

    assert destination.log[3:5] == [made.image.descriptor.digest, "latest"]
    assert destination.resolve("latest") == made.image.descriptor
    for blob, data in made.blobs.items():
        assert b"".join(destination.fetch(blob)) == data
    assert [event.how for event in events if isinstance(event, BlobPushed)] == ["uploaded"] * 4 + ["present"] * 3 + [
        "uploaded"
    ]


def test_a_layer_that_an_image_has_twice_is_sent_once() -> None:
    """Each digest goes over the wire once."""
    made, source, destination = make_image({"a": b"1"}, {"a": b"1"}, {"a": b"1"}), MemoryStore(), Recording()
    made.push_to(source)

    copy_image(source, destination, made.image.descriptor)

    assert len(destination.log) == len(set(destination.log)) == 3


def test_an_index_brings_all_its_images() -> None:
    """The images of every platform come before the index, and what they share comes once."""
    source, destination = MemoryStore(), Recording()
    images = [make_image({"shared": b"s"}, {"own": name.encode()}) for name in ("amd64", "arm64")]
    entries = [
        replace(made.push_to(source), platform=Platform("linux", name))
        for made, name in zip(images, ("amd64", "arm64"), strict=True)
    ]
    data = canonical_json({"schemaVersion": 2, "manifests": [entry.to_json() for entry in entries]})
    index = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
    source.push(index, [data])

    copy_image(source, destination, index, tag="all")

    assert destination.resolve("all") == index
    assert len(destination.log) == len(set(destination.log)) == 3 + 2 + 2 + 1 + 1
    assert destination.log[-2:] == [index.digest, "all"]


def test_what_has_arrived_is_said_when_it_fails() -> None:
    """The error tells how much the next push need not send, and no tag is set."""
    made, source = make_image({"a": b"1" * 9}, {"b": b"2"}), MemoryStore()
    made.push_to(source)
    smallest = min(made.blobs, key=lambda blob: (blob == made.image.descriptor, blob.size))
    destination = Recording(fails_at=smallest.digest)

    with pytest.raises(NetworkError) as caught:
        copy_image(source, destination, made.image.descriptor, tag="latest", jobs=1)

    assert caught.value.kept == "2 of 3 blobs are there; the next push sends only the other 1"
    assert destination.resolve("latest") is None


def test_a_registry_that_misses_a_blob_at_the_manifest_is_asked_once_more() -> None:
    """When the manifest is refused, every blob is looked at again before the second and last try."""
    made, source = make_image(), MemoryStore()
    made.push_to(source)
    destination = Recording(forgets=made.image.descriptor.digest)

    copy_image(source, destination, made.image.descriptor, tag="latest")

    assert destination.resolve("latest") == made.image.descriptor
    assert len(destination.log) == 2 + 1 + 2 + 1 + 1


def test_damage_in_the_source_does_not_arrive(tmp_path: Path) -> None:
    """A flipped byte in the local store stops the push, and the blob can then be written again."""
    made, source, destination = make_image(), Layout(tmp_path), Recording()
    made.push_to(source)
    layer = made.image.layers[0]
    path = source.path(layer)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])

    with pytest.raises(IntegrityError):
        copy_image(source, destination, made.image.descriptor, tag="latest")

    assert destination.resolve("latest") is None
    assert not source.exists(layer)
    made.push_to(source)
    copy_image(source, destination, made.image.descriptor, tag="latest")
    assert destination.resolve("latest") == made.image.descriptor


def test_blobs_are_not_held_in_memory() -> None:
    """Chunks go out as they come in: the destination has seen the first before the last is made."""
    order: list[str] = []
    data = [b"a" * 1000, b"b" * 1000]

    class Slow(MemoryStore):
        def fetch(self, blob: Descriptor) -> Iterator[bytes]:
            if blob.media_type != media_types.LAYER_GZIP:
                yield from super().fetch(blob)
                return
            for chunk in data:
                order.append("out")
                yield chunk

    class Sink(MemoryStore):
        def push(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
            kept = []
            for chunk in chunks:
                order.append("in")
                kept.append(chunk)
            super().push(blob, kept)

    made, source = make_image(), Slow()
    layer = Descriptor(media_types.LAYER_GZIP, digest_of(b"".join(data)), 2000)
    source.push(layer, data)
    manifest = canonical_json(
        {"schemaVersion": 2, "config": made.image.config_descriptor.to_json(), "layers": [layer.to_json()]}
    )
    source.push(made.image.config_descriptor, [made.image.config])
    descriptor = Descriptor(media_types.IMAGE_MANIFEST, digest_of(manifest), len(manifest))
    source.push(descriptor, [manifest])

    copy_image(source, Sink(), descriptor, jobs=1)

    assert order[:4] == ["out", "in", "out", "in"]
