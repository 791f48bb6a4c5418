"""Every layer of a plan is made, once, and sent; the config goes along with the last of them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from imagewright.build.bytecode.layer import BytecodeLayer
from imagewright.build.failed import keep_failed
from imagewright.build.given import GivenLayer
from imagewright.build.kinds import AnyLayer, OwnLayer
from imagewright.build.plan import Plan
from imagewright.build.push import Pusher
from imagewright.build.step import Step
from imagewright.build.workshop import Workshop
from imagewright.dataclass import dataclass
from imagewright.errors import BuildError
from imagewright.events import LayerReady
from imagewright.layer.planned import InputFile
from imagewright.oci import media_types
from imagewright.oci.descriptor import Layer
from imagewright.oci.digest import Digest
from imagewright.oci.image import Image
from imagewright.parallel import run_graph

if TYPE_CHECKING:
    from imagewright.sandbox.rootfs import StoredLayer

Task = tuple[Literal["recall", "fetch", "check", "make", "send", "config"], int]
"""What one worker does at a time; the number is a layer's in the plan, or a file's among those to be fetched."""

DOWNLOADS = 8  # at once: an index answers each in a round trip, so more wait at the same time
UPLOADS = 4


@dataclass(frozen=True, slots=True)
class Carried:
    """A layer of the image: whether it was written just now, and whether its bytes were sent."""

    layer: Layer
    written: bool
    uploaded: bool


class Carrier:
    """Carries the layers of one plan. ``known`` are those that are in the local store, ``offered`` those that the registry has.

    A layer is made as soon as its files are here, whichever come first. ``check`` is called once all files are, beside the workers.
    Making and sending are tasks of their own: so the last layer is sent while the config, which names every layer, is sent
    as well, and what is known waits for the registry's word while what is missing is made.
    """

    def __init__(
        self,
        plan: Plan,
        workshop: Workshop,
        pusher: Pusher,
        known: Mapping[Digest, Layer],
        offered: Mapping[Digest, Layer],
        assemble: Callable[[Sequence[Layer]], Image],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan, self._workshop, self._pusher = plan, workshop, pusher
        self._known, self._offered, self._assemble, self._check = known, offered, assemble, check
        self._made: dict[int, Layer] = {
            at: layer for at, planned in enumerate(plan.layers) if (layer := self._there(planned)) is not None
        }
        self._files: list[InputFile] = []
        self._sent: dict[int, bool] = {}
        self._image: Image | None = None

    def run(self) -> tuple[list[Carried], Image]:
        """All layers, in the plan's order, and the image that they make."""
        layers = self._plan.layers
        written = [at for at in range(len(layers)) if at not in self._made]
        tasks = self._tasks(written)
        fetched = [task for task in tasks if task[0] in ("fetch", "check")]
        sent = [task for task in tasks if task[0] in ("recall", "send", "config")]
        run_graph(
            self._do,
            tasks,
            jobs=self._workshop.jobs,
            waiting=[(fetched, DOWNLOADS), (sent, UPLOADS)],
            interrupt=self._stop,
        )
        assert self._image is not None
        return [Carried(self._made[at], at in written, self._sent[at]) for at in range(len(layers))], self._image

    def _stop(self) -> None:
        for running in (self._workshop.steps, self._workshop.compiler):
            if running is not None:
                running.stop()

    def _there(self, planned: AnyLayer) -> Layer | None:
        if isinstance(planned, GivenLayer):
            return planned.layer
        return self._known.get(planned.key) or self._offered.get(planned.key)

    def _tasks(self, written: Sequence[int]) -> dict[Task, Sequence[Task]]:
        """Each task and those that it needs; of the ones that are ready the first goes first.

        Of the layers between two steps the biggest come first, so that the last worker does not end alone with one. Bytecode, which
        is nothing but work, is not in their way.
        """
        tasks: dict[Task, Sequence[Task]] = {}
        recalled: list[Task] = []
        if not self._offered:
            tasks["recall", 0] = ()
            recalled = [("recall", 0)]
        fetched: dict[InputFile, Task] = {}
        for at in sorted(written, key=self._turn):
            for file in self._inputs(at):
                fetched.setdefault(file, ("fetch", len(fetched)))
        self._files = list(fetched)
        tasks |= dict.fromkeys(fetched.values(), ())
        tasks["check", 0] = list(fetched.values())
        for at in self._order():
            if at not in self._made:
                tasks["make", at] = [
                    *(fetched[file] for file in self._inputs(at)),
                    *(("make", number) for number in self._below(at) if number not in self._made),
                ]
                tasks["send", at] = [("make", at)]
            else:
                tasks["send", at] = recalled
        tasks["config", 0] = [("make", at) for at in written]
        return tasks

    def _inputs(self, at: int) -> Sequence[InputFile]:
        planned = self._plan.layers[at]
        return () if isinstance(planned, GivenLayer) else planned.inputs

    def _below(self, at: int) -> Sequence[int]:
        """The layers that one is made on: a step on all before it, bytecode on the interpreter's."""
        layers = self._plan.layers
        planned = layers[at]
        if isinstance(planned, BytecodeLayer):
            return [number for number in range(at) if layers[number].key in planned.compiling.on]
        return range(at) if isinstance(planned, Step) else ()

    def _order(self) -> list[int]:
        order: list[int] = []
        free: list[int] = []
        for at, layer in enumerate(self._plan.layers):
            if isinstance(layer, Step):
                order += [*sorted(free, key=self._turn), at]
                free = []
            else:
                free.append(at)
        return order + sorted(free, key=self._turn)

    def _turn(self, at: int) -> tuple[bool, int]:
        planned = self._plan.layers[at]
        if isinstance(planned, BytecodeLayer):  # that of the library, which has no inputs, is among the biggest
            return True, -sum(file.size for file in planned.inputs) or -(1 << 62)
        return False, -(planned.layer.descriptor.size if isinstance(planned, GivenLayer) else input_size(planned))

    def _do(self, task: Task, done: Mapping[Task, None]) -> None:
        kind, at = task
        if kind == "fetch":
            self._workshop.inputs.path(self._files[at])
        elif kind == "check":
            self._check()
        elif kind == "make":
            self._make(at)
        elif kind == "send":
            self._sent[at] = self._sent.get(at, False) or self._send(at)
        elif kind == "recall":
            self._pusher.recall(self._known.values())
        else:
            self._image = self._assemble([self._made[at] for at in range(len(self._plan.layers))])
            self._pusher.send_config(self._image)

    def _make(self, at: int) -> None:
        planned = self._plan.layers[at]
        assert not isinstance(planned, GivenLayer)
        below = [self._made[number] for number in self._below(at)]
        try:
            self._made[at], self._sent[at] = _write(self._plan.name, planned, self._workshop, below, self._pusher)
        except BuildError as error:
            if isinstance(planned, Step):
                keep_failed(self._plan, below, self._workshop.store, error)
            raise

    def _send(self, at: int) -> bool:
        """Whether its bytes had to be sent."""
        planned, layer, name = self._plan.layers[at], self._made[at], self._plan.name
        if isinstance(planned, GivenLayer):
            return self._pusher.carry_given(planned, name)
        if planned.key in self._known:
            _tell(name, planned, layer, "known", 0, self._workshop)
            return self._pusher.push(layer.descriptor)
        if planned.key in self._offered and self._workshop.shared is not None:
            _tell(name, planned, layer, "registry", 0, self._workshop)
            return self._pusher.carry_shared(layer.descriptor, self._workshop.shared.repository)
        return self._pusher.push(layer.descriptor, new=True)


def _write(
    name: str, planned: OwnLayer, workshop: Workshop, below: Sequence[Layer], pusher: Pusher
) -> tuple[Layer, bool]:
    """Write a layer into the local store, and say whether it has been sent as well, which a large one is meanwhile."""
    started = time.monotonic()
    with workshop.store.ingest() as blob, pusher.meanwhile(blob, input_size(planned)) as out:
        if isinstance(planned, Step):
            if workshop.steps is None:
                raise AssertionError("a plan with steps comes with what runs them")
            stored = [_stored(layer, workshop) for layer in below]
            diff_id = workshop.steps.run(name, planned, stored, workshop.inputs, out)
        elif isinstance(planned, BytecodeLayer):
            if workshop.compiler is None:
                raise AssertionError("a plan with bytecode comes with what makes it")
            stored = [_stored(layer, workshop) for layer in below]
            diff_id = workshop.compiler.write(name, planned, stored, workshop.inputs, out)
        else:
            diff_id = planned.write(workshop.inputs, out)
        layer = Layer(blob.commit(media_types.LAYER_GZIP), diff_id)
        workshop.records.remember(planned.key, layer)
        _tell(name, planned, layer, "written", time.monotonic() - started, workshop)
        return layer, pusher.finished(out, layer.descriptor)


def _tell(
    name: str,
    planned: OwnLayer,
    layer: Layer,
    how: Literal["known", "written", "registry"],
    seconds: float,
    workshop: Workshop,
) -> None:
    workshop.listen(LayerReady(name, planned.title, layer.descriptor, how, input_size(planned), seconds))


def _stored(layer: Layer, workshop: Workshop) -> "StoredLayer":
    from imagewright.sandbox.rootfs import StoredLayer

    def chunks() -> Iterator[bytes]:
        blob = layer.descriptor
        if not workshop.store.exists(blob):
            # Whoever looks around after a failed step looks at what lies below it as well.
            workshop.store.push(blob, workshop.fetch(blob))
        return workshop.store.fetch(blob)

    return StoredLayer(layer.diff_id, layer.descriptor.media_type, chunks)


def input_size(planned: OwnLayer) -> int:
    """In bytes: of all that goes into a layer. Bytecode holds nothing of what it is made from."""
    if isinstance(planned, BytecodeLayer):
        return 0
    return sum(file.size for file in planned.inputs)
