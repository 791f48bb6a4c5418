"""The default base image: its layer, what a container of it starts with, and what wheels are chosen for."""

import re
from functools import cached_property

from imagewright.dataclass import dataclass
from imagewright.layer import writer as layer_writer
from imagewright.layer.encoder import Fast
from imagewright.layer.planned import InputFile, Inputs, PlannedLayer, Sink
from imagewright.oci.config import DEFAULT_PATH, ImageConfig
from imagewright.oci.digest import DiffID, Digest, canonical_json, digest_of
from imagewright.oci.platform import Platform
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.deb.releases import RELEASES, release_named
from imagewright.packages.deb.task_user import HOME, UID
from imagewright.packages.target import Target

VERSION = 1
"""Goes into the layer's key. Count it up when equal packages give other bytes."""

LANES = 4
"""How many packages are unpacked at a time, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Base:
    """A base image that is decided: its layers, lowest first, its config without layers, and its target."""

    layers: tuple[PlannedLayer, ...]
    config: ImageConfig
    target: Target


@dataclass(frozen=True)
class BaseLayer:
    """All of a base's packages in one layer: a `PlannedLayer`. docs/decisions/0051 says why it is one.

    ``lanes`` is how many packages are unpacked at a time; no byte depends on it.
    """

    base: LockedBase
    lanes: int = LANES

    @cached_property
    def key(self) -> Digest:
        """The digest of the packages and of what writes them."""
        return digest_of(
            canonical_json(
                {
                    "kind": "debian base",
                    "version": VERSION,
                    "writer": layer_writer.VERSION,
                    "encoder": Fast().id,
                    "release": self.base.release,
                    "python": self.base.python,
                    "platform": str(self.base.platform),
                    "debs": [deb.file.digest for deb in self.base.debs],
                }
            )
        )

    @property
    def title(self) -> str:
        """What a person reads."""
        return f"debian {release_named(self.base.release).number} + python {self.base.python}"

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The packages' files."""
        return tuple(deb.file for deb in self.base.debs)

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        """Write the layer. Memory stays below some 150 MB: the packages on their way, and what the effects need.

        Raises:
            BuildError: A package is broken or hostile (IW303), or two have the same file (IW302).
        """
        from imagewright.packages.deb.assemble import assemble  # 15 ms that a base which is there does not pay

        return assemble(self.base, inputs, out, encoder=Fast(), lanes=self.lanes)


def plan_base(locked: LockedBase, *, lanes: int = LANES) -> Base:
    """The base image of these packages. Pure: equal packages, equal base. ``lanes`` as in `BaseLayer`."""
    python = locked.python
    target = _target(locked.platform, python, _upstream(locked, "libc6"), _upstream(locked, f"python{python}"))
    config = ImageConfig(
        locked.platform,
        {"PATH": f"{target.prefix}/bin:{DEFAULT_PATH}", "LANG": "C.UTF-8"},
        command=("/bin/bash",),
        workdir=HOME,
        user=f"{UID}:{UID}",
    )
    return Base((BaseLayer(locked, lanes),), config, target)


def expected_target(python: str, platform: Platform) -> Target | None:
    """The target of the base for a Python, as it is before its packages are known, or None. It is likely, and no more."""
    for release in RELEASES:
        if release.python == python and release.libc:
            return _target(platform, python, release.libc, release.python_full_version)
    return None


def _target(platform: Platform, python: str, libc: str, full_version: str) -> Target:
    return Target(platform, python, f"/usr/bin/python{python}", ("glibc", libc), python_full_version=full_version)


def _upstream(locked: LockedBase, name: str) -> str:
    """``2.36`` of a package of version ``2.36-9+deb12u10``; what Debian adds (``~rc1``, ``+dfsg``) is left out."""
    version = locked.deb(name).version.rpartition(":")[2]
    return re.split(r"[^0-9.]", version, maxsplit=1)[0].rstrip(".")
