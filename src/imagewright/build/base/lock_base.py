"""The base of a spec, pinned, and what it has installed: of Debian's packages, of another spec, or somebody else's image."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from imagewright.build.base.locked import LockedImage
from imagewright.build.container_config import config_of
from imagewright.build.destination import target_reference
from imagewright.build.inputs import mirrors
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.session import Session
from imagewright.dataclass import dataclass
from imagewright.errors import LockError
from imagewright.events import BaseReady
from imagewright.oci.config import ImageConfig
from imagewright.oci.platform import Platform
from imagewright.packages.deb.base import plan_base
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.deb.release import Archive
from imagewright.packages.deb.releases import RELEASES
from imagewright.packages.deb.resolve import resolve_base
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.spec import ImageSpec
from imagewright.spec.image_spec import DEFAULT_PYTHON

if TYPE_CHECKING:  # 6 ms that the default base does not pay
    from imagewright.build.base.choose import Chosen
    from imagewright.build.base.interpreters import Distribution
    from imagewright.store.images import ReadImage
    from imagewright.store.protocol import BlobSource

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True, slots=True)
class Below:
    """A pinned base. ``installed`` is what it has; of that ``fixed`` names are in the environment that ours extends.

    What is fixed cannot be had in two versions: one environment has one folder. The rest can be hidden by ours.
    """

    base: LockedBase | LockedImage | LockedSpec
    installed: "tuple[Distribution, ...]" = ()
    extends: frozenset[str] = frozenset()

    @property
    def fixed(self) -> tuple[tuple[str, str], ...]:
        """Names and versions that what is resolved has to keep to."""
        return tuple((one.name, one.version) for one in self.installed if one.name in self.extends)

    @property
    def present(self) -> tuple[tuple[str, str], ...]:
        """Names and versions that are taken where they fit."""
        return tuple((one.name, one.version) for one in self.installed if one.name not in self.extends)

    def has(self, wheel: LockedWheel) -> bool:
        """Whether the wheel need not be installed.

        Programs of a distribution run the Python that they were installed for, which does not see what is on top: they
        are installed again, for ours.
        """
        return any(
            one.name == wheel.name
            and _same(one.version, wheel.version)
            and (one.name in self.extends or not one.commands)
            for one in self.installed
        )


def lock_base(spec: ImageSpec, platform: Platform, session: Session, parent: Lock | None) -> Below:
    """Pin the base of a spec. ``parent`` is the lock of a base that is a spec.

    Raises:
        LockError, StoreError: There is no such base, or none that fits.
        NetworkError, CredentialsError, IntegrityError: A mirror or registry cannot be asked, or not be trusted.
    """
    if parent is not None:
        assert isinstance(spec.base_image, ImageSpec)
        if not spec.conda_packages:
            _check_python(spec, parent)
        installed, extends = _installed(spec.base_image, parent, session)
        return Below(LockedSpec(parent), installed, extends)
    if isinstance(spec.base_image, str):
        return _image(spec, platform, session)
    base = Lock(spec.digest, _default_base(spec, platform, session), ())
    if not spec.conda_packages:  # they may bring the Python that is asked for
        _check_python(spec, base)
    return Below(base.base)


def kept_base(spec: ImageSpec, lock: Lock, session: Session) -> Below:
    """The base that an earlier lock of the spec has, as it is there.

    Raises:
        StoreError, NetworkError, CredentialsError: The image is gone, or cannot be read.
    """
    installed, extends = _installed(spec, replace(lock, wheels=()), session)
    return Below(lock.base, installed, extends)


def _image(spec: ImageSpec, platform: Platform, session: Session) -> Below:
    from imagewright.build.base.opened import open_tag

    started = time.monotonic()
    name = str(spec.base_image)
    source, image = open_tag(spec, platform, session)
    keep = not target_reference(spec, session).registry
    chosen, read = _chosen(spec, image, source, session, name=name, keep=keep)
    seconds = time.monotonic() - started
    session.listen(BaseReady(spec.name, name, "read" if read else "remembered", seconds))
    return Below(chosen.locked, chosen.present, _extends(chosen))


def _chosen(
    spec: ImageSpec, image: "ReadImage", source: "BlobSource", session: Session, *, name: str, keep: bool
) -> "tuple[Chosen, int]":
    """What is used of an image, and how many of its layers had to be read for it."""
    from imagewright.build.base.choose import choose
    from imagewright.build.base.learn import tree_of

    tree, read = tree_of(image, source, session, name=name, keep=keep)
    return choose(spec, image, tree), read


def env_below(spec: ImageSpec, base: LockedBase | LockedImage | LockedSpec, session: Session) -> Mapping[str, str]:
    """The environment variables of the image that a spec stands on. Its manifest and config are remembered."""
    match base:
        case LockedBase():
            return {}
        case LockedImage():
            from imagewright.build.base.opened import open_locked

            return open_locked(spec, base, session)[1].config.env
        case LockedSpec():
            assert isinstance(spec.base_image, ImageSpec)
            below = env_below(spec.base_image, base.lock.base, session)
            return config_of(spec.base_image, base.lock.target, ImageConfig(base.lock.target.platform, below)).env


def _installed(spec: ImageSpec, lock: Lock, session: Session) -> "tuple[tuple[Distribution, ...], frozenset[str]]":
    """What the image of a lock has, and which of it is in the environment that another one extends."""
    from imagewright.build.base.interpreters import Distribution

    found: dict[str, Distribution] = {}
    extends: frozenset[str] = frozenset()
    match lock.base:
        case LockedSpec():
            assert isinstance(spec.base_image, ImageSpec)
            below, extends = _installed(spec.base_image, lock.base.lock, session)
            found.update((one.name, one) for one in below)
        case LockedImage():
            from imagewright.build.base.opened import open_locked

            source, image = open_locked(spec, lock.base, session)
            chosen, _ = _chosen(spec, image, source, session, name=lock.base.reference, keep=False)
            found.update((one.name, one) for one in chosen.present)
            extends = _extends(chosen)
        case LockedBase():
            pass
    found.update((wheel.name, Distribution(wheel.name, wheel.version, commands=False)) for wheel in lock.wheels)
    return tuple(found.values()), extends | {wheel.name for wheel in lock.wheels}


def _extends(chosen: "Chosen") -> frozenset[str]:
    """What lies in the environment of an image of ours; the system's packages can be hidden."""
    return frozenset(one.name for one in chosen.present if one.own) if chosen.locked.extends else frozenset()


def _check_python(spec: ImageSpec, base: Lock) -> None:
    """A Python that is asked for has to be the one that is there."""
    target = base.target
    wanted = ".".join((spec.python_version or target.python).split(".")[:2])
    if wanted != target.python:
        raise LockError(
            f"the base image of {spec.name!r} has no Python {spec.python_version}",
            code="IW204",
            why=f"its base is another ImageSpec, which has Python {target.python}",
            fix=f'give that one python_version="{spec.python_version}"',
            where=spec.where_of(spec.python_version or ""),
        )
    if spec.python_exec and spec.python_exec not in (
        target.interpreter,
        "/usr/bin/python3",
        f"{target.prefix}/bin/python",
    ):
        raise LockError(
            f"the base image of {spec.name!r} has no Python at {spec.python_exec}",
            code="IW204",
            why=f"it has Python {target.python} at {target.interpreter}",
            fix="leave python_exec out",
            where=spec.where_of(spec.python_exec),
        )


def _same(first: str, second: str) -> bool:
    try:
        return Version(first) == Version(second)
    except InvalidVersion:
        return first == second


def debian_archive(spec: ImageSpec, session: Session) -> Archive:
    """Debian's archives, as this machine reaches them, and as they were when the spec wants them."""
    return Archive(
        mirrors(session),
        session.transport,
        Path(session.debian_keyring or DEBIAN_KEYRING),
        session.debian_dir,
        offline=session.offline,
        upgrade=session.upgrade,
        snapshot=snapshot_of(spec),
    )


def snapshot_of(spec: ImageSpec) -> str:
    """The time of the archive that a spec's Debian packages are of: its own, or that of the spec below. "" is now."""
    if spec.apt_snapshot is None and isinstance(spec.base_image, ImageSpec):
        return snapshot_of(spec.base_image)
    return spec.apt_snapshot or ""


def _default_base(spec: ImageSpec, platform: Platform, session: Session) -> LockedBase:
    started = time.monotonic()
    python = spec.python
    if spec.conda_packages and python not in {release.python for release in RELEASES}:
        python = DEFAULT_PYTHON  # conda brings the one that is asked for
    try:
        base = resolve_base(python, platform, debian_archive(spec, session), listen=session.listen)
    except LockError as error:
        error.where = error.where or spec.where_of(spec.python)
        raise
    session.listen(
        BaseReady(
            spec.name,
            " + ".join(layer.title for layer in plan_base(base).layers),
            "assembled",
            time.monotonic() - started,
        )
    )
    return base
