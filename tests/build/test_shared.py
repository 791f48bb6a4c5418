"""Layers that a registry keeps: found by another machine, safe against loss, lies and two writers."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.build.destination import Place
from imagewright.build.plan import Plan
from imagewright.build.publish import publish
from imagewright.build.records import Records
from imagewright.build.session import Session
from imagewright.build.shared import TAG, SharedLayers, shared_layers
from imagewright.build.shelf import Shelf
from imagewright.build.workshop import Workshop
from imagewright.dataclass import dataclass
from imagewright.events import Event, LayerReady, Noted
from imagewright.layer.planned import InputFile, Inputs, NothingProven, Sink
from imagewright.oci import media_types
from imagewright.oci.config import ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, Digest, digest_of
from imagewright.oci.image import Image
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.store.layout import Layout
from imagewright.store.registry.repository import Repository
from imagewright.testing.fake_registry import FakeRegistry, Fault
from imagewright.transport import Transport


@dataclass(frozen=True)
class Text:
    """A planned layer of one file."""

    name: str
    content: bytes = b"content"

    @property
    def key(self) -> Digest:
        return digest_of(b"key of " + self.name.encode() + self.content)

    @property
    def title(self) -> str:
        return self.name

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        return ()

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            entry = tarfile.TarInfo(self.name)
            entry.size = len(self.content)
            tar.addfile(entry, io.BytesIO(self.content))
        out.write(gzip.compress(file.getvalue(), mtime=0))
        return DiffID(digest_of(file.getvalue()))


class NoInputs(NothingProven):
    """Inputs of layers that read none."""

    def path(self, file: InputFile) -> Path:
        raise AssertionError(file)


class Machine:
    """A machine with empty caches, that builds images for repositories of a registry."""

    def __init__(self, folder: Path, transport: Transport, registry: FakeRegistry) -> None:
        self.folder, self.transport, self.registry = folder, transport, registry
        self.events: list[Event] = []

    def repository(self, name: str) -> Repository:
        return Repository(self.registry.place, name, self.transport)

    def build(self, *names: str, to: str = "acme/one", cache: str = "") -> Image:
        """Build an image of these layers; ``cache`` is another repository that layers are shared with."""
        destination = self.repository(to)
        shared = SharedLayers(self.repository(cache) if cache else destination, self.folder, self.events.append)
        self.events.clear()
        self.registry.requests.clear()
        store = Layout(self.folder / "store")
        workshop = Workshop(store, Records(self.folder / "layers"), NoInputs(), 2, self.events.append, shared=shared)
        config = ImageConfig(Platform("linux", "amd64"))
        plan = Plan("demo", tuple(Text(name) for name in names), config)
        tag = "-".join(names)
        reference = Reference(self.registry.place, to, tag)

        def once() -> Image:
            return publish(plan, reference, workshop, Place(destination, tag))

        try:
            return once()
        except Exception:
            if not shared.lost():
                raise
            return once()

    def how(self) -> list[str]:
        """What became of each layer, in the order of their names."""
        ready = [event for event in self.events if isinstance(event, LayerReady)]
        return [event.how for event in sorted(ready, key=lambda event: event.title)]

    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Noted)]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    registry = FakeRegistry(separate=True, mounts="yes")
    with registry.serve():
        yield registry


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(sleep=lambda seconds: None) as transport:
        yield transport


@pytest.fixture
def machines(tmp_path: Path, transport: Transport, registry: FakeRegistry) -> list[Machine]:
    return [Machine(tmp_path / name, transport, registry) for name in ("first", "second", "third")]


def test_another_machine_makes_no_layer_that_is_there(machines: list[Machine], registry: FakeRegistry) -> None:
    """One request reads what is offered, another its config; then config and manifest alone are sent."""
    first, second, _ = machines
    made = first.build("a", "b", "c")

    image = second.build("a", "b", "c", "d")

    assert first.how() == ["written"] * 3
    assert second.how() == ["registry"] * 3 + ["written"]
    assert image.layers[:3] == made.layers
    reads = [path.rpartition("/")[2][:20] for method, path in registry.requests if method == "GET"]
    assert reads[0] == TAG[:20]
    layers = {layer.digest for layer in made.layers}
    assert not [path for method, path in registry.requests if any(layer in path for layer in layers)]


def test_many_layers_cost_no_more_requests_than_few(machines: list[Machine], registry: FakeRegistry) -> None:
    """The number of requests does not depend on how many layers are found."""
    first, second, third = machines
    many = [f"layer-{number:02}" for number in range(40)]
    first.build(*many)
    counts = []
    for machine, names in ((second, many[:3]), (third, many[:39])):
        machine.build(*names)
        assert set(machine.how()) == {"registry"}
        counts.append(len(registry.requests))

    assert counts[0] == counts[1] <= 8


def test_small_blobs_that_are_new_are_sent_without_a_question(machines: list[Machine], registry: FakeRegistry) -> None:
    """One more layer costs: the image that has the others is asked for, two blobs and the manifest are sent, no more."""
    machines[0].build("a", "b")
    machines[0].build("a", "b", "c")

    tagged = registry.requests.index(("PUT", "/v2/acme/one/manifests/a-b-c"))
    asked = [path for method, path in registry.requests[:tagged] if method == "HEAD"]
    sent = [method for method, _ in registry.requests[:tagged] if method in ("POST", "PUT")]
    assert [path.rpartition("/")[0] for path in asked] == ["/v2/acme/one/manifests"]
    assert sorted(sent) == ["POST", "POST", "PUT", "PUT"]


def test_a_build_that_has_nothing_new_asks_for_nothing(machines: list[Machine], registry: FakeRegistry) -> None:
    """What this machine has made and offered before costs no request of the shared layers."""
    first = machines[0]
    first.build("a", "b")
    first.build("a", "b", "c")

    first.build("b", "c")

    assert not [path for _, path in registry.requests if TAG in path]


def test_layers_of_another_repository_are_mounted(machines: list[Machine], registry: FakeRegistry) -> None:
    """Nothing is sent; where the registry does not mount, the layers are copied through, and nothing is made."""
    first, second, third = machines
    first.build("a", "b", to="acme/one", cache="acme/layers")

    second.build("a", "b", to="acme/two", cache="acme/layers")
    sent = [path for method, path in registry.requests if method == "PUT" and "/acme/two/blobs/" in path]
    registry.mounts = "no"
    image = third.build("a", "b", to="acme/three", cache="acme/layers")

    assert second.how() == third.how() == ["registry"] * 2
    assert len(sent) == 1  # the config
    assert all(registry.blob("acme/three", layer.digest) for layer in image.layers)


def test_a_layer_that_the_registry_has_lost_is_made_anew(machines: list[Machine], registry: FakeRegistry) -> None:
    """A registry that throws away blobs which a manifest names is found out, and nothing is built on it."""
    first, second, _ = machines
    made = first.build("a", "b")
    lost = made.layers[0].digest
    registry.links.discard(("acme/one", lost))

    image = second.build("a", "b", "c")

    assert image.layers[0].digest == lost
    assert registry.blob("acme/one", lost)


def test_two_writers_keep_the_others_entries(machines: list[Machine], transport: Transport) -> None:
    """Each reads once more before it writes."""
    first, second, third = machines
    first.build("a")
    late = SharedLayers(second.repository("acme/one"), second.folder, second.events.append)
    assert late.layers([Text("b").key]) == {}  # it has read what was there
    first.build("a", "b")
    layer = first.build("c").layers[0]

    late.contribute({Text("z").key: Layer(layer, DiffID(digest_of(b"z")))}, (), late.repository)

    fresh = SharedLayers(third.repository("acme/one"), third.folder, third.events.append)
    assert fresh.layers([Text(name).key for name in "abcz"]).keys() == {Text(name).key for name in "abcz"}


@pytest.mark.parametrize(
    "document",
    [b"{}", b"[]", b'{"schemaVersion": 2, "layers": 3}', b"not json", b'{"schemaVersion":2,"config":{},"layers":[]}'],
)
def test_what_is_no_shelf_is_passed_over(machines: list[Machine], registry: FakeRegistry, document: bytes) -> None:
    """A tag that holds something else stops no build, and is said."""
    registry.manifests[registry.key("acme/one", TAG)] = (media_types.IMAGE_MANIFEST, document)

    machines[0].build("a")

    assert machines[0].how() == ["written"]
    assert machines[0].notes()


@pytest.mark.parametrize("fault", [Fault(403), Fault(500), Fault(404)])
def test_who_may_not_write_builds_all_the_same(machines: list[Machine], registry: FakeRegistry, fault: Fault) -> None:
    """The image is there; that its layers are not shared is said."""
    registry.fault = lambda method, path: fault if method == "PUT" and TAG in path else None

    machines[0].build("a")

    assert registry.key("acme/one", "a") in registry.manifests
    assert any("are not shared" in note for note in machines[0].notes())


def test_a_lie_is_only_believed_where_that_is_wanted(machines: list[Machine], registry: FakeRegistry) -> None:
    """Who may push to a repository is believed there; an entry of another repository, or of none, is not."""
    first, second, third = machines
    evil = first.build("evil").layers[0]
    liar = SharedLayers(first.repository("acme/one"), first.folder / "x", first.events.append)
    liar.contribute({Text("good").key: Layer(evil, DiffID(digest_of(b"evil")))}, (), liar.repository)

    elsewhere = second.build("good", to="acme/other")
    off = shared_layers(Session(third.folder, layer_cache="off"), Place(third.repository("acme/one"), "good"))

    assert evil not in elsewhere.layers
    assert second.how() == ["written"]
    assert off is None


def test_a_shelf_is_read_as_it_was_written_and_stays_small() -> None:
    """Entries keep their order, the newest first, and the oldest go when there are too many."""
    from imagewright.oci.manifest import MAX_BYTES, Manifest

    def layer(number: int) -> Layer:
        digest = digest_of(b"%d" % number)
        return Layer(Descriptor(media_types.LAYER_GZIP, digest, number + 1), DiffID(digest))

    old = Shelf({digest_of(b"key %d" % number): layer(number) for number in range(1000)})
    new = Shelf({digest_of(b"new"): layer(5000)}, {}, (digest_of(b"set"),))
    both = new | old
    config, manifest = both.to_bytes()

    read = Shelf.parse(Manifest.parse(manifest, media_type=media_types.IMAGE_MANIFEST), config)

    assert list(read.layers.items()) == list(both.layers.items())
    assert next(iter(read.layers)) == digest_of(b"new")
    assert len(read.layers) == 800
    assert read.compatible == (digest_of(b"set"),)
    assert len(manifest) < MAX_BYTES // 4
    assert new.is_in(read)
    assert not replace(new, layers={digest_of(b"other"): layer(1)}).is_in(read)
