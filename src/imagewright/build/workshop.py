"""Where the layers of an image are made."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imagewright.build.records import Records
from imagewright.build.shared import SharedLayers
from imagewright.dataclass import dataclass
from imagewright.events import Listener
from imagewright.layer.planned import Inputs
from imagewright.oci.descriptor import Descriptor
from imagewright.store.gathered import Gathered
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource

if TYPE_CHECKING:
    from imagewright.build.bytecode.compiler import Compiler
    from imagewright.build.run_step import StepRunner


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where layers are made: the local store, the records of what was made, and the files that they are made from.

    ``base`` is where the layers of a base image are. ``steps`` runs the plan's steps, and ``compiler`` makes its bytecode: a plan
    without any needs none.
    """

    store: Layout
    records: Records
    inputs: Inputs
    jobs: int
    listen: Listener
    base: BlobSource | None = None
    shared: SharedLayers | None = None
    steps: "StepRunner | None" = None
    compiler: "Compiler | None" = None

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The bytes of a layer, wherever it is."""
        others = self.shared.repository if self.shared is not None and self.shared.has(blob) else self.base
        return Gathered(self.store, others).fetch(blob)
