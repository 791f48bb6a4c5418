"""Plan -> image: every layer written once, carried to where the image goes, and tagged when all is there."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from imagewright.build.destination import Place, local_tag
from imagewright.build.plan import Plan
from imagewright.build.records import Records
from imagewright.errors import CredentialsError, ImagewrightError, NetworkError
from imagewright.events import BlobPushed, ImagePublished, LayerReady, Listener
from imagewright.layer.planned import InputFile, Inputs, PlannedLayer
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.image import Image, assemble
from imagewright.oci.reference import Reference
from imagewright.parallel import beside, quick_switches, run_all
from imagewright.store.copy import Fetched, copy_image
from imagewright.store.layout import Layout

DOWNLOADS = 8  # at once: an index answers each in a round trip, so more wait at the same time


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where layers are made: the local store, the records of what was made, and the files that they are made from."""

    store: Layout
    records: Records
    inputs: Inputs
    jobs: int
    listen: Listener


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
) -> Image:
    """Write what is missing, push it to ``destination`` (None: the local store is all), tag it last.

    ``check`` runs beside the workers, once the input files are here, and raises what must keep the image from its tag.

    A layer whose key is remembered and whose blob is still in the local store is not written again. Whatever was
    written stays in the local store when a later step fails.
    """
    started = time.monotonic()
    pusher = _Pusher(workshop, destination)
    known = {planned.key: layer for planned in plan.layers if (layer := _known(planned, workshop)) is not None}

    def carry(planned: PlannedLayer) -> _Carried:
        """One worker carries one layer all the way."""
        layer = _make(planned, known.get(planned.key), plan.name, workshop)
        return _Carried(layer, planned.key not in known, pusher.push(layer.descriptor))

    missing = [planned for planned in plan.layers if planned.key not in known]
    with quick_switches(), _downloads(missing, workshop.inputs, check):
        carried = _in_order(plan.layers, carry, workshop.jobs)
    layers = [one.layer for one in carried]
    image = assemble(plan.config, layers, plan.history, annotations=plan.annotations)
    workshop.store.push(image.config_descriptor, [image.config])
    workshop.store.push(image.descriptor, [image.manifest])
    push_started = time.monotonic()
    # The tag comes last, so that it never dangles, and waits for the disk: the registry is told meanwhile.
    with beside(lambda: workshop.store.tag(image.descriptor, local_tag(reference))):
        pusher.finish(image)
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


def _in_order(layers: tuple[PlannedLayer, ...], carry: Callable[[PlannedLayer], _Carried], jobs: int) -> list[_Carried]:
    """Carry the biggest first, so that the last worker does not end alone with it; results in the order of the plan."""
    biggest_first = sorted(range(len(layers)), key=lambda at: -_input_size(layers[at]))
    carried = run_all(lambda at: (at, carry(layers[at])), biggest_first, jobs=jobs)
    return [one for _, one in sorted(carried, key=lambda pair: pair[0])]


def _known(planned: PlannedLayer, workshop: Workshop) -> Layer | None:
    layer = workshop.records.find(planned.key)
    return layer if layer is not None and workshop.store.exists(layer.descriptor) else None


def _make(planned: PlannedLayer, known: Layer | None, name: str, workshop: Workshop) -> Layer:
    started = time.monotonic()
    layer = known or _write(planned, workshop)
    seconds = time.monotonic() - started
    how: Literal["known", "written"] = "known" if known else "written"
    workshop.listen(LayerReady(name, planned.title, layer.descriptor, how, _input_size(planned), seconds))
    return layer


def _write(planned: PlannedLayer, workshop: Workshop) -> Layer:
    with workshop.store.ingest() as blob:
        diff_id = planned.write(workshop.inputs, blob)
        layer = Layer(blob.commit(media_types.LAYER_GZIP), diff_id)
    workshop.records.remember(planned.key, layer)
    return layer


@contextmanager
def _downloads(missing: list[PlannedLayer], inputs: Inputs, check: Callable[[], None]) -> Iterator[None]:
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


class _Pusher:
    """Sends layers to a destination until that fails; from then on they are only written here, and nothing is lost."""

    def __init__(self, workshop: Workshop, destination: Place | None) -> None:
        self._workshop, self._destination = workshop, destination
        self._failure: ImagewrightError | None = None

    def push(self, blob: Descriptor) -> bool:
        """Send a layer of the local store, and say whether that was needed."""
        if self._destination is None or self._failure is not None:
            return False
        chunks = Fetched(self._workshop.store, blob)
        try:
            self._destination.store.push(blob, chunks)
        except (CredentialsError, NetworkError) as error:
            self._failure = error
            return False
        self._workshop.listen(BlobPushed(blob, "uploaded" if chunks.read else "present"))
        return chunks.read

    def finish(self, image: Image) -> None:
        """Send config and manifest, and tag it; or raise what has failed before."""
        try:
            if self._failure is not None:
                raise self._failure
            if self._destination is not None:
                copy_image(self._workshop.store, self._destination.store, image.descriptor, tag=self._destination.tag)
        except (CredentialsError, NetworkError) as error:
            error.kept = "the image is complete in the local store; nothing will be built again"
            raise


def _input_size(planned: PlannedLayer) -> int:
    return sum(file.size for file in planned.inputs)
