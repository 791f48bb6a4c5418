"""``compile_bytecode`` -> layers: the interpreter's own library, then the wheels in groups."""

from collections.abc import Sequence

from imagewright.build.budget import share_layers
from imagewright.build.bytecode.layer import BytecodeLayer, Compiling
from imagewright.build.given import GivenLayer
from imagewright.build.kinds import AnyLayer
from imagewright.build.lock import Lock, LockedSpec
from imagewright.oci.config import ImageConfig
from imagewright.oci.digest import Digest, canonical_json, digest_of
from imagewright.packages.conda.package_layer import CondaLayer
from imagewright.packages.deb.base import BaseLayer
from imagewright.packages.deb.locked import LockedBase

MOST_OWN_LAYERS = 10
"""Of 112 wheels of a large image the 10 largest hold 95 % of the bytes. With 8 shared ones and the library's, 19 layers are
added to the 86 that conda packages and wheels have at most: an image stays below the 124 that docker can mount."""


def bytecode_layers(
    lock: Lock,
    config: ImageConfig,
    below: Sequence[AnyLayer],
    *,
    steps: bool,
    allow_bad_record: frozenset[str] = frozenset(),
    last: Sequence[str] = (),
) -> tuple[BytecodeLayer, ...]:
    """The layers of bytecode for the wheels of this lock.

    ``below`` are the layers that they are installed onto. ``steps``: commands may change the sources later. ``last`` is as
    `share_layers` has it: of files that differ, the bytecode is of the one that is there.
    """
    interpreter = [layer for layer in below if isinstance(layer, (GivenLayer, BaseLayer, CondaLayer))]
    compiling = Compiling(
        _identity(lock, interpreter),
        lock.target,
        optimization(config),
        steps,
        tuple(layer.key for layer in interpreter),
    )
    wheels = [
        BytecodeLayer(compiling, group, allow_bad_record)
        for group in share_layers(lock.wheels, most_own=MOST_OWN_LAYERS, last=last)
    ]
    return (*([] if _has_library(lock, below) else [BytecodeLayer(compiling)]), *wheels)


def optimization(config: ImageConfig) -> int:
    """Which bytecode a container's Python looks for. Source: Python's manual, "PYTHONOPTIMIZE"."""
    said = config.env.get("PYTHONOPTIMIZE", "")
    return min(int(said), 2) if said.isdecimal() else int(bool(said))


def _has_library(lock: Lock, below: Sequence[AnyLayer]) -> bool:
    """Whether a spec below has made the library's bytecode, and nothing has come to it since."""
    return lock.conda is None and any(isinstance(layer, BytecodeLayer) and not layer.wheels for layer in below)


def _identity(lock: Lock, interpreter: Sequence[AnyLayer]) -> Digest:
    """The digest of what decides which bytecode is written: packages that are signed, or else all that is below.

    Another image's Python may be anything, whatever it says of itself: only that image shares bytecode with itself.
    """
    whole = lock.conda_environment
    conda = [one.file.digest for one in whole.packages] if whole is not None and whole.python else []
    base = lock.base
    while isinstance(base, LockedSpec):
        base = base.lock.base
    if isinstance(base, LockedBase):
        named = {f"python{base.python}-minimal", f"libpython{base.python}-minimal"}
        below = [deb.file.digest for deb in base.debs if deb.name in named]
    else:
        below = [layer.key for layer in interpreter if isinstance(layer, GivenLayer)]
    return digest_of(canonical_json({"python": lock.target.python_full_version, "base": below, "conda": conda}))
