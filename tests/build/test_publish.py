import gzip
import io
import json
import tarfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from imagewright.build.destination import Place
from imagewright.build.given import GivenLayer
from imagewright.build.plan import Plan
from imagewright.build.publish import publish
from imagewright.build.records import Records
from imagewright.build.workshop import Workshop
from imagewright.errors import BuildError, CredentialsError
from imagewright.events import BlobPushed, Event, ImagePublished, LayerReady
from imagewright.layer.planned import InputFile, Inputs, NothingProven, Sink
from imagewright.oci import media_types
from imagewright.oci.config import ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, Digest, digest_of
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore

REFERENCE = Reference("localhost:30000", "demo", "v1")


@dataclass
class FileLayer:
    """A planned layer of one file. ``written`` counts how often it was written; ``broken`` ones cannot be."""

    name: str
    content: bytes
    broken: bool = False
    written: int = 0

    @property
    def key(self) -> Digest:
        return digest_of(self.name.encode() + b"\0" + self.content)

    @property
    def title(self) -> str:
        return self.name

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        return (InputFile(f"https://example.com/{self.name}", digest_of(self.content), len(self.content)),)

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        if self.broken:
            raise BuildError(f"{self.name} cannot be written")
        self.written += 1
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            entry = tarfile.TarInfo(self.name)
            entry.size = len(self.content)
            tar.addfile(entry, io.BytesIO(self.content))
        out.write(gzip.compress(file.getvalue(), mtime=0))
        return DiffID(digest_of(file.getvalue()))


class NoInputs(NothingProven):
    """Inputs of layers that read none."""

    def __init__(self) -> None:
        self.asked: list[InputFile] = []

    def path(self, file: InputFile) -> Path:
        self.asked.append(file)
        return Path()


class RefusingStore(MemoryStore):
    """A registry that takes ``room`` layers and then no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def push(self, blob: Descriptor, chunks: Iterable[bytes]) -> None:
        if self.room <= 0:
            raise CredentialsError("no right to push", code="IW403")
        self.room -= 1
        super().push(blob, chunks)


@dataclass
class Bench:
    """A workshop in a folder, and what its listener heard."""

    workshop: Workshop
    inputs: NoInputs
    events: list[Event]

    def heard(self, kind: type) -> list[str]:
        return sorted(str(getattr(event, "how", "")) for event in self.events if isinstance(event, kind))


def bench(folder: Path, *, jobs: int = 2) -> Bench:
    """A workshop as a command makes it."""
    events: list[Event] = []
    inputs = NoInputs()
    workshop = Workshop(Layout(folder / "store"), Records(folder / "layers"), inputs, jobs, events.append)
    return Bench(workshop, inputs, events)


def plan_of(*layers: FileLayer) -> Plan:
    """An image of these layers."""
    return Plan("demo", layers, ImageConfig(Platform("linux", "amd64")))


def test_an_image_is_complete_where_it_was_published(tmp_path: Path) -> None:
    """Registry and local store hold every blob of it under its tag."""
    one, registry = bench(tmp_path), MemoryStore()

    image = publish(plan_of(FileLayer("a", b"1"), FileLayer("b", b"2")), REFERENCE, one.workshop, Place(registry, "v1"))

    assert registry.resolve("v1") == image.descriptor == one.workshop.store.resolve(str(REFERENCE))
    for blob in (*image.layers, image.config_descriptor, image.descriptor):
        assert digest_of(b"".join(registry.fetch(blob))) == blob.digest
        assert one.workshop.store.exists(blob)


def test_what_is_known_is_neither_downloaded_nor_written_nor_sent_again(tmp_path: Path) -> None:
    """A second image with one new layer writes and sends that one."""
    old, new, registry = FileLayer("a", b"1"), FileLayer("b", b"2"), MemoryStore()
    publish(plan_of(old), REFERENCE, bench(tmp_path).workshop, Place(registry, "v1"))

    again = bench(tmp_path)
    publish(plan_of(old, new), REFERENCE, again.workshop, Place(registry, "v2"))

    assert (old.written, new.written) == (1, 1)
    assert again.inputs.asked == list(new.inputs)
    assert again.heard(LayerReady) == ["known", "written"]
    assert again.heard(BlobPushed) == ["present", "uploaded"]
    (published,) = [event for event in again.events if isinstance(event, ImagePublished)]
    assert (published.layers, published.reused) == (2, 1)


def test_a_layer_whose_blob_is_gone_is_written_again_with_the_same_digest(tmp_path: Path) -> None:
    """The record of a key is a hint: without the blob the layer is made from its plan again."""
    layer, one = FileLayer("a", b"1"), bench(tmp_path)
    before = publish(plan_of(layer), REFERENCE, one.workshop, None)
    one.workshop.store.path(before.layers[0]).unlink()

    after = publish(plan_of(layer), REFERENCE, bench(tmp_path).workshop, None)

    assert (after.descriptor, layer.written) == (before.descriptor, 2)


def test_a_layer_that_exists_is_copied_where_the_image_goes_and_nowhere_else(tmp_path: Path) -> None:
    """Into the local store for an image that stays there; past it for one of a registry."""
    data = b"a layer of somebody else's"
    blob = Descriptor(media_types.LAYER_TAR, digest_of(data), len(data))
    given, own = GivenLayer(Layer(blob, DiffID(blob.digest)), "ADD rootfs.tar /"), FileLayer("a", b"1")
    upstream, registry = MemoryStore(), MemoryStore()
    upstream.push(blob, [data])
    plan = Plan("demo", (given, own), ImageConfig(Platform("linux", "amd64")))
    here, there = bench(tmp_path / "here"), bench(tmp_path / "there")

    local = publish(plan, REFERENCE, replace(here.workshop, base=upstream), None)
    remote = publish(plan, REFERENCE, replace(there.workshop, base=upstream), Place(registry, "v1"))

    assert local.descriptor == remote.descriptor == registry.resolve("v1")
    assert b"".join(here.workshop.store.fetch(blob)) == b"".join(registry.fetch(blob)) == data
    assert not there.workshop.store.exists(blob)
    assert there.heard(LayerReady) == ["registry", "written"]
    assert json.loads(local.config)["history"][0]["created_by"] == "ADD rootfs.tar /"


def test_the_order_of_layers_is_the_plans_whatever_is_written_first(tmp_path: Path) -> None:
    """The biggest is written first, and the manifest lists them in order."""
    layers = [FileLayer(f"layer{size}", bytes(size)) for size in (1, 1000, 10, 100)]

    image = publish(plan_of(*layers), REFERENCE, bench(tmp_path, jobs=3).workshop, None)

    alone = [publish(plan_of(one), REFERENCE, bench(tmp_path).workshop, None).layers[0] for one in layers]
    assert list(image.layers) == alone


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_equal_plans_give_equal_images(tmp_path: Path, jobs: int) -> None:
    """The digest does not depend on the number of workers or on the folder."""
    layers = [FileLayer(f"layer{number}", bytes([number]) * 1000) for number in range(12)]

    image = publish(plan_of(*layers), REFERENCE, bench(tmp_path, jobs=jobs).workshop, None)

    assert image == publish(plan_of(*layers), REFERENCE, bench(tmp_path / "other", jobs=1).workshop, None)


def test_a_layer_is_made_as_soon_as_its_files_are_here(tmp_path: Path) -> None:
    """The largest is downloaded first, and is not waited for: what has come is written meanwhile."""
    small, large = FileLayer("small", b"1"), FileLayer("large", b"2" * 99)
    one = bench(tmp_path)
    came = threading.Event()

    class Slowly(NoInputs):
        def path(self, file: InputFile) -> Path:
            assert file not in large.inputs or came.wait(30)
            return super().path(file)

    def listen(event: Event) -> None:
        if isinstance(event, LayerReady):
            came.set()

    workshop = replace(one.workshop, inputs=Slowly(), listen=listen)
    publish(plan_of(large, small), REFERENCE, workshop, None)

    assert (small.written, large.written) == (1, 1)


def test_nothing_is_lost_when_the_registry_refuses(tmp_path: Path) -> None:
    """The image is then complete in the local store, the error says so, and no tag dangles in the registry."""
    layers = [FileLayer(f"layer{number}", bytes([number]) * 100) for number in range(4)]
    registry = RefusingStore(room=1)

    with pytest.raises(CredentialsError) as refused:
        publish(plan_of(*layers), REFERENCE, bench(tmp_path).workshop, Place(registry, "v1"))

    assert refused.value.kept == "the image is complete in the local store; nothing will be built again"
    assert registry.resolve("v1") is None
    registry.room = 100
    again = bench(tmp_path)
    image = publish(plan_of(*layers), REFERENCE, again.workshop, Place(registry, "v1"))
    assert registry.resolve("v1") == image.descriptor
    assert again.heard(LayerReady) == ["known"] * 4
    assert [layer.written for layer in layers] == [1] * 4


def test_a_layer_that_cannot_be_written_stops_the_build_and_leaves_no_tag(tmp_path: Path) -> None:
    """The failure is raised as it is; what was written before is kept for the next try."""
    good, bad, registry = FileLayer("good", b"1" * 100), FileLayer("bad", b"2", broken=True), MemoryStore()

    with pytest.raises(BuildError, match="bad cannot be written"):
        publish(plan_of(good, bad), REFERENCE, bench(tmp_path, jobs=1).workshop, Place(registry, "v1"))

    assert registry.resolve("v1") is None
    assert bench(tmp_path).workshop.records.find(good.key) is not None
