"""Plan -> image: every layer written once, carried to where the image goes, and tagged when all is there."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, TypeGuard

from imagewright.build.destination import Place, local_tag
from imagewright.build.failed import forget_failed, keep_failed
from imagewright.build.given import GivenLayer
from imagewright.build.plan import Plan
from imagewright.build.push import Pusher
from imagewright.build.records import Records
from imagewright.build.shared import SharedLayers
from imagewright.build.source import SourceLayer
from imagewright.build.step import Step
from imagewright.dataclass import dataclass
from imagewright.errors import BuildError
from imagewright.events import ImagePublished, LayerReady, Listener
from imagewright.layer.planned import InputFile, Inputs, PlannedLayer
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import Digest
from imagewright.oci.image import Image, assemble
from imagewright.oci.reference import Reference
from imagewright.parallel import beside, quick_switches, run_all, run_graph
from imagewright.store.gathered import Gathered
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource
from imagewright.store.registry.repository import Repository

if TYPE_CHECKING:
    from imagewright.build.run_step import StepRunner
    from imagewright.sandbox.rootfs import StoredLayer

DOWNLOADS = 8  # at once: an index answers each in a round trip, so more wait at the same time


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where layers are made: the local store, the records of what was made, and the files that they are made from.

    ``base`` is where the layers of a base image are. ``steps`` runs the plan's steps; a plan without any needs none.
    """

    store: Layout
    records: Records
    inputs: Inputs
    jobs: int
    listen: Listener
    base: BlobSource | None = None
    shared: SharedLayers | None = None
    steps: "StepRunner | None" = None

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The bytes of a layer, wherever it is."""
        others = self.shared.repository if self.shared is not None and self.shared.has(blob) else self.base
        return Gathered(self.store, others).fetch(blob)


@dataclass(frozen=True, slots=True)
class _Carried:
    layer: Layer
    written: bool
    uploaded: bool


def publish(
    plan: Plan,
    reference: Reference,
    workshop: Workshop,
    destination: Place | None,
    *,
    check: Callable[[], None] = lambda: None,
    prepare: Callable[[Sequence[PlannedLayer | Step]], None] = lambda missing: None,
    compatible: Collection[Digest] = (),
    tag: bool = True,
) -> Image:
    """Write what is missing, push it to ``destination`` (None: the local store is all), tag it last.

    ``prepare`` is given the layers that have to be written, before any worker begins.
    Without ``tag`` it gets none: an index of several images will have it. ``destination`` has none then, either.
    Layers that ``workshop.shared`` offers are neither made nor fetched; what is new is offered there with ``compatible``, the sets of wheels
    that ``check`` found to fit together.
    ``check`` runs beside the workers, once the input files are here, and raises what must keep the image from its tag.

    A layer whose key is remembered and whose blob is still in the local store is not written again. Whatever was
    written stays in the local store when a later step fails.
    """
    started = time.monotonic()
    pusher = Pusher(workshop.store, workshop.base, destination, workshop.listen)
    own = [planned for planned in plan.layers if not isinstance(planned, GivenLayer)]
    known = {planned.key: layer for planned in own if (layer := _known(planned, workshop)) is not None}
    offered = _offered(own, known, workshop)
    if not offered:
        pusher.recall(known.values())

    def carry(planned: PlannedLayer | GivenLayer | Step, below: Sequence[Layer]) -> _Carried:
        """One worker carries one layer all the way."""
        if isinstance(planned, GivenLayer):
            return _Carried(planned.layer, False, pusher.carry_given(planned, plan.name))
        if (layer := offered.get(planned.key)) is not None and workshop.shared is not None:
            _tell(plan.name, planned, layer, "registry", 0, workshop)
            return _Carried(layer, False, pusher.carry_shared(layer.descriptor, workshop.shared.repository))
        if planned.key in known:
            layer, sent = known[planned.key], False
            _tell(plan.name, planned, layer, "known", 0, workshop)
        else:
            try:
                layer, sent = _write(plan.name, planned, workshop, below, pusher)
            except BuildError as error:
                if isinstance(planned, Step):
                    keep_failed(plan, below, workshop.store, error)
                raise
        return _Carried(layer, planned.key not in known, sent or pusher.push(layer.descriptor))

    there = known.keys() | offered.keys()
    missing = [planned for planned in own if planned.key not in there]
    prepare(missing)
    if workshop.steps is not None:
        workshop.steps.check(plan.name, [planned for planned in missing if isinstance(planned, Step)])
    with quick_switches(), _downloads(missing, workshop.inputs, check):
        carried = _in_order(plan.layers, there, carry, workshop)
    layers = [one.layer for one in carried]
    image = assemble(plan.config, layers, plan.history, annotations=plan.annotations)
    whole = all(workshop.store.exists(layer) for layer in image.layers)
    push_started = time.monotonic()
    if whole:
        workshop.store.push(image.config_descriptor, [image.config])
        workshop.store.push(image.descriptor, [image.manifest])
        push_started = time.monotonic()
        # The tags come last, so that none ever dangles. The one that the result stands on waits for the disk; the other
        # one waits for its index alone, beside the push.
        name = local_tag(reference)
        if tag and destination is None:
            workshop.store.tag(image.descriptor, name)
        beside_push = tag and destination is not None
        with (
            beside(lambda: workshop.store.tag(image.descriptor, name, durable=False)) if beside_push else nullcontext()
        ):
            pusher.finish(image, whole=True)
    else:
        pusher.finish(image, whole=False)
    if any(isinstance(layer, Step) for layer in plan.layers):
        forget_failed(plan, workshop.store)
    if workshop.shared is not None and destination is not None and isinstance(destination.store, Repository):
        new = {planned.key: layer for planned, layer in zip(plan.layers, layers, strict=True) if _sharable(planned)}
        workshop.shared.contribute(new, compatible, destination.store)
    uploaded = [one for one in carried if one.uploaded]
    workshop.listen(
        ImagePublished(
            plan.name,
            reference.with_digest(image.descriptor.digest),
            len(layers),
            sum(not one.written and not one.uploaded for one in carried),
            sum(one.layer.descriptor.size for one in uploaded),
            time.monotonic() - started,
            time.monotonic() - push_started,
        )
    )
    return image


def _in_order(
    layers: Sequence[PlannedLayer | GivenLayer | Step],
    known: Collection[Digest],
    carry: Callable[[PlannedLayer | GivenLayer | Step, Sequence[Layer]], _Carried],
    workshop: Workshop,
) -> list[_Carried]:
    """Carry every layer, a step when all that it lies on is there; results in the order of the plan.

    Of the others the biggest come first, so that the last worker does not end alone with one.
    """
    order: list[int] = []
    free: list[int] = []
    for at, layer in enumerate(layers):
        if isinstance(layer, Step):
            order += [*sorted(free, key=lambda at: -_size(layers[at])), at]
            free = []
        else:
            free.append(at)
    order += sorted(free, key=lambda at: -_size(layers[at]))

    def needs(at: int) -> range:
        layer = layers[at]
        return range(at) if isinstance(layer, Step) and layer.key not in known else range(0)

    def work(at: int, done: Mapping[int, _Carried]) -> _Carried:
        return carry(layers[at], [done[number].layer for number in needs(at)])

    stop = workshop.steps.stop if workshop.steps else lambda: None
    carried = run_graph(work, {at: needs(at) for at in order}, jobs=workshop.jobs, interrupt=stop)
    return [carried[at] for at in range(len(layers))]


def _offered(
    own: Sequence[PlannedLayer | Step], known: Mapping[Digest, Layer], workshop: Workshop
) -> Mapping[Digest, Layer]:
    """The layers that are not here, and that the registry has."""
    if workshop.shared is None:
        return {}
    return workshop.shared.layers(planned.key for planned in own if planned.key not in known and _sharable(planned))


def _sharable(planned: PlannedLayer | GivenLayer | Step) -> TypeGuard[PlannedLayer | Step]:
    """Whether the layer may be of use to others: the user's own files are of this image alone."""
    return not isinstance(planned, (GivenLayer, SourceLayer))


def _known(planned: PlannedLayer | Step, workshop: Workshop) -> Layer | None:
    layer = workshop.records.find(planned.key)
    return layer if layer is not None and workshop.store.exists(layer.descriptor) else None


def _write(
    name: str, planned: PlannedLayer | Step, workshop: Workshop, below: Sequence[Layer], pusher: Pusher
) -> tuple[Layer, bool]:
    """Write a layer into the local store, and say whether it has been sent as well, which a large one is meanwhile."""
    started = time.monotonic()
    with workshop.store.ingest() as blob, pusher.meanwhile(blob, _input_size(planned)) as out:
        if isinstance(planned, Step):
            if workshop.steps is None:
                raise AssertionError("a plan with steps comes with what runs them")
            stored = [_stored(layer, workshop) for layer in below]
            diff_id = workshop.steps.run(name, planned, stored, workshop.inputs, out)
        else:
            diff_id = planned.write(workshop.inputs, out)
        layer = Layer(blob.commit(media_types.LAYER_GZIP), diff_id)
        workshop.records.remember(planned.key, layer)
        _tell(name, planned, layer, "written", time.monotonic() - started, workshop)
        return layer, pusher.finished(out, layer.descriptor)


def _tell(
    name: str,
    planned: PlannedLayer | Step,
    layer: Layer,
    how: Literal["known", "written", "registry"],
    seconds: float,
    workshop: Workshop,
) -> None:
    workshop.listen(LayerReady(name, planned.title, layer.descriptor, how, _input_size(planned), seconds))


def _stored(layer: Layer, workshop: Workshop) -> "StoredLayer":
    from imagewright.sandbox.rootfs import StoredLayer

    def chunks() -> Iterator[bytes]:
        blob = layer.descriptor
        if workshop.base is not None and not workshop.store.exists(blob):
            # Whoever looks around after a failed step looks at the base as well.
            workshop.store.push(blob, workshop.base.fetch(blob))
        return workshop.store.fetch(blob)

    return StoredLayer(layer.diff_id, layer.descriptor.media_type, chunks)


@contextmanager
def _downloads(missing: list[PlannedLayer | Step], inputs: Inputs, check: Callable[[], None]) -> Iterator[None]:
    """Fetch what the missing layers are made from ahead of the workers, so that they seldom wait for the network."""
    files = [file for planned in sorted(missing, key=_input_size, reverse=True) for file in planned.inputs]
    failed = threading.Event()

    def fetch(file: InputFile) -> None:
        if not failed.is_set():
            inputs.path(file)

    def fetch_and_check() -> None:
        run_all(fetch, files, jobs=DOWNLOADS)
        if not failed.is_set():
            check()

    with beside(fetch_and_check):
        try:
            yield
        except BaseException:
            failed.set()
            raise


def _size(planned: PlannedLayer | GivenLayer | Step) -> int:
    return planned.layer.descriptor.size if isinstance(planned, GivenLayer) else _input_size(planned)


def _input_size(planned: PlannedLayer | Step) -> int:
    return sum(file.size for file in planned.inputs)
