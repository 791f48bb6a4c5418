"""Writes the base's layer: its packages, unpacked, and the effects of what they would run."""

from imagewright.layer.encoder import Encoder
from imagewright.layer.planned import Inputs, Sink
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID
from imagewright.packages.deb.effects import before, effects
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.deb.releases import ARCHITECTURES
from imagewright.packages.deb.system import System
from imagewright.packages.deb.unpack import Tree, unpack


def assemble(base: LockedBase, inputs: Inputs, out: Sink, *, encoder: Encoder, lanes: int) -> DiffID:
    """Write the layer; ``lanes`` packages are unpacked at a time, and no byte depends on that.

    Raises:
        BuildError: A package is broken or hostile (IW303), or two have the same file (IW302).
    """
    architecture = ARCHITECTURES[base.platform.architecture]
    system = System(architecture)
    # base-files comes first, as in every installation: its modes of /tmp and the like are the ones that count.
    debs = sorted(base.debs, key=lambda deb: (deb.name != "base-files", deb.name))
    with LayerWriter(out, encoder=encoder) as writer:
        tree = Tree(writer, system)
        for entry in before(architecture):
            tree.add(entry)
        unpack(debs, inputs, tree, system, lanes=lanes)
        for entry in effects(system, base.python):
            tree.add(entry)
    return writer.diff_id
