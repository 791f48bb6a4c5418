"""The root filesystem that a wheel is built in: the image's own base, a compiler where one is needed, the build environment."""

from collections.abc import Sequence
from dataclasses import replace

from imagewright.build.apt import apt_steps
from imagewright.build.base.opened import origin
from imagewright.build.kinds import AnyLayer
from imagewright.build.lock import Lock
from imagewright.build.planned import planned
from imagewright.build.session import Session
from imagewright.dataclass import dataclass
from imagewright.oci.digest import Digest
from imagewright.packages.deb.locked import LockedDeb
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec
from imagewright.store.protocol import BlobSource

PREFIX = "/opt/imagewright-build"
"""Where the build requirements are, apart from what the image has."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The layers of a base, and where those of somebody else's image are."""

    layers: tuple[AnyLayer, ...]
    source: BlobSource | None

    @property
    def keys(self) -> tuple[Digest, ...]:
        """What decides the files of it."""
        return tuple(layer.key for layer in self.layers)

    def with_packages(self, spec: ImageSpec, debs: Sequence[LockedDeb]) -> "Surroundings":
        """With Debian packages installed on top; ``spec`` names them."""
        return replace(self, layers=(*self.layers, *apt_steps(spec, debs, self.keys)))


def base_alone(spec: ImageSpec, on: Lock, session: Session) -> Surroundings:
    """The base of a spec with conda's packages, where these bring the Python, and nothing else of the spec on it."""
    bare = _bare(spec)
    made = planned(bare, on, session)
    return Surroundings(made.plan.layers, origin(made.base) if made.base is not None else None)


def toolchain(target: Target) -> tuple[str, ...]:
    """The Debian packages that compile C and C++ for the target's interpreter."""
    packages = ("g++", "gcc", "libc6-dev", "make", "pkg-config")
    # Debian's Python has its headers in a package; any other one has them beside itself.
    of_debian = target.interpreter == f"/usr/bin/python{target.python}"
    return (*packages, f"python{target.python}-dev") if of_debian else packages


def with_apt(spec: ImageSpec, packages: Sequence[str], *, on: ImageSpec) -> ImageSpec:
    """A spec that asks for these Debian packages and nothing else: on the base of ``spec``, or on what ``on`` has added."""
    bare = _bare(spec)
    return replace(bare, apt_packages=tuple(packages), base_image=spec.base_image if on is spec else on)


def _bare(spec: ImageSpec) -> ImageSpec:
    return replace(
        spec,
        packages=(),
        requirements=None,
        apt_packages=(),
        commands=(),
        copy=(),
        source_root=None,
        source_copy_mode=None,
        install_project=False,
        compile_bytecode=False,
        pip_extra_args=None,
        entrypoint=None,
        env={},
    )
