"""Layers that nothing but a sandbox is going to see: made as those of an image, and found again in the same way."""

from collections.abc import Sequence

from imagewright.build.bytecode.compiler import Compiler
from imagewright.build.bytecode.layer import BytecodeLayer
from imagewright.build.given import GivenLayer
from imagewright.build.kinds import AnyLayer
from imagewright.build.records import Records
from imagewright.build.run_step import StepRunner
from imagewright.build.step import Step
from imagewright.dataclass import dataclass
from imagewright.layer.planned import Inputs
from imagewright.oci import media_types
from imagewright.oci.descriptor import Layer
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.store.gathered import Gathered
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource


@dataclass(frozen=True, slots=True)
class Bench:
    """What makes layers: the local store, the records of what was made, the input files, what runs steps and what compiles."""

    store: Layout
    records: Records
    inputs: Inputs
    steps: StepRunner
    compiler: Compiler

    def make(self, name: str, layers: Sequence[AnyLayer], source: BlobSource | None) -> tuple[StoredLayer, ...]:
        """The layers, lowest first, each written unless it is known. ``source`` has those that were given.

        Raises:
            ImagewrightError: One cannot be made.
        """
        made: list[StoredLayer] = []
        for planned in layers:
            needed = made
            if isinstance(planned, BytecodeLayer):
                on = planned.compiling.on
                needed = [layer for layer, one in zip(made, layers, strict=False) if one.key in on]
            made.append(self._stored(self._layer(name, planned, needed), source))
        return tuple(made)

    def _layer(self, name: str, planned: AnyLayer, below: Sequence[StoredLayer]) -> Layer:
        if isinstance(planned, GivenLayer):
            return planned.layer
        known = self.records.find(planned.key)
        if known is not None and self.store.exists(known.descriptor):
            return known
        with self.store.ingest() as blob:
            if isinstance(planned, Step):
                diff_id = self.steps.run(name, planned, below, self.inputs, blob)
            elif isinstance(planned, BytecodeLayer):
                diff_id = self.compiler.write(name, planned, below, self.inputs, blob)
            else:
                diff_id = planned.write(self.inputs, blob)
            layer = Layer(blob.commit(media_types.LAYER_GZIP), diff_id)
        self.records.remember(planned.key, layer)
        return layer

    def _stored(self, layer: Layer, source: BlobSource | None) -> StoredLayer:
        blob = layer.descriptor
        return StoredLayer(layer.diff_id, blob.media_type, lambda: Gathered(self.store, source).fetch(blob))
