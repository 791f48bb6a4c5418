"""ImageSpec -> lock, by asking: a mirror or a registry for the base, the indexes for the wheels."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from imagewright.build.base.lock_base import Below, debian_archive, env_below, kept_base, lock_base, snapshot_of
from imagewright.build.base.locked import LockedImage
from imagewright.build.cuda import check_installed_cuda, cuda_packages, explain_cuda
from imagewright.build.ingredients import FILES, Ingredients, requiring
from imagewright.build.inputs import downloads, request_of
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.session import Session
from imagewright.errors import ImagewrightError, LockError, Where
from imagewright.events import Noted
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.packages.conda.locked import LockedEnvironment
from imagewright.packages.deb.apt import wanted_of
from imagewright.packages.deb.apt_resolve import resolve_apt
from imagewright.packages.deb.base import expected_target
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.deb.resolve import resolve_base
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.resolve import Resolution, resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.pypi.source import Source
from imagewright.packages.target import Target
from imagewright.parallel import beside, quick_switches
from imagewright.spec import ImageSpec

if TYPE_CHECKING:
    from imagewright.build.from_source.builder import SourceBuilder

_OF_PYTHON = FILES | {"packages", "pip_index", "pip_extra_index_url", "pip_extra_args", "cuda", "cudnn"}
"""What decides over Python packages alone."""


def resolve_anew(
    spec: ImageSpec,
    platform: Platform,
    asked: Digest,
    pip: PipSettings,
    session: Session,
    parent: Lock | None,
    *,
    upgrade: bool,
    before: Ingredients | None = None,
) -> Lock:
    """The lock that answers ``asked``. ``upgrade`` forgets what the indexes said before.

    ``parent`` is the lock of a base that is a spec. ``before`` is an earlier lock and what it answered: its base and
    Debian packages stay when nothing else is asked of them, and its versions of Python packages where they fit.

    Raises:
        SpecError, LockError: The requirements cannot be understood, or not be satisfied.
        NetworkError, CredentialsError, IntegrityError: An index or a mirror cannot be asked, or not be trusted.
    """
    kept = before.lock if before is not None and _same_base(spec, before, parent) else None
    versions = tuple((wheel.name, wheel.version) for wheel in before.lock.wheels) if before else ()
    files = downloads(spec, session)
    forbidden_by = 'builder_options={"only_binary": True}' if spec.builder_options.get("only_binary") else ""

    def find(target: Target, below: Below | None, has: Mapping[str, str], on: Callable[[], Lock]) -> Resolution:
        """The wheels for a target; ``on`` waits for what is built on."""
        try:
            return resolve(
                request_of(spec, target, cuda_packages(spec, has)),
                uv=Uv(session.uv_dir, session.environ),
                pin=files.pin,
                known=files.known,
                pip=pip,
                builder=None if forbidden_by else _Building(lambda: source_builder(spec, on(), session, pip)),
                forbidden_by=forbidden_by,
                offline=session.offline,
                upgrade=upgrade,
                fixed=below.fixed if below else (),
                present=(*below.present, *versions) if below else versions,
            )
        except LockError as error:
            explain_cuda(error, spec)
            raise

    # Mirrors and indexes are asked at the same time, when the target is likely to be known.
    plain = kept is None and parent is None and spec.base_image is None and not spec.conda_packages
    expected = expected_target(spec.python, platform) if plain else None
    early: Resolution | None = None
    if expected is not None:
        with quick_switches(), beside(lambda: lock_base(spec, platform, session, None)) as locking:
            try:
                early = find(expected, None, {}, lambda: Lock(asked, locking.result().base, ()))
            except ImagewrightError:
                locking.result()  # what is wrong with the base is said first
                raise
        below = locking.result()
    else:
        below = kept_base(spec, kept, session) if kept else lock_base(spec, platform, session, parent)
    base = below.base
    on_base = Lock(asked, base, (), conda=kept.conda if kept else _conda(spec, Lock(asked, base, ()), session))
    target = on_base.target
    if on_base.conda_environment is not None:
        from imagewright.build.conda_resolve import with_conda_distributions

        below = with_conda_distributions(below, spec, on_base, session)
    apt = kept.apt if kept else _apt(spec, base, session)
    has = env_below(spec, base, session) if spec.cuda else {}
    resolution = early if early and target == expected else find(target, below, has, lambda: on_base)
    check_installed_cuda(
        spec, has, [*below.present, *below.fixed, *((one.name, one.version) for one in resolution.wheels)]
    )
    for note in resolution.notes:
        session.listen(Noted(note))
    wheels = tuple(wheel for wheel in resolution.wheels if not below.has(wheel))
    return Lock(asked, base, wheels, apt, on_base.conda)


def _conda(spec: ImageSpec, lock: Lock, session: Session) -> LockedEnvironment | None:
    """What ``conda_packages`` add to the base."""
    if not spec.conda_packages:
        return None
    from imagewright.build.conda_resolve import lock_conda  # what images without any do not pay

    return lock_conda(spec, lock, session)


def _same_base(spec: ImageSpec, before: Ingredients, parent: Lock | None) -> bool:
    """Whether the same base and Debian packages are asked for as before, and a base that is a spec has the same lock."""
    if isinstance(before.lock.base, LockedSpec) != (parent is not None):
        return False
    if isinstance(before.lock.base, LockedSpec) and before.lock.base.lock != parent:
        return False
    old, new = before.content, requiring(spec.content)
    others = {*old, *new} - _OF_PYTHON - ({"base_image"} if parent is not None else set())
    return bool(old) and all(old.get(field) == new.get(field) for field in others)


class _Building:
    """The `WheelBuilder` of a spec. What builds takes 80 ms to load, which only what has no wheel pays."""

    def __init__(self, make: Callable[[], "SourceBuilder"]) -> None:
        self._make = cache(make)

    def build(self, source: Source, where: Where | None = None) -> LockedWheel:
        """The wheel of a source; see `SourceBuilder.build`."""
        return self._make().build(source, where)

    def path(self, wheel: LockedWheel) -> Path:
        """Where the file of a wheel that it built is."""
        return self._make().path(wheel)


def source_builder(spec: ImageSpec, on: Lock, session: Session, pip: PipSettings) -> "SourceBuilder":
    """What builds the wheels of a spec on what is below them."""
    from imagewright.build.from_source.builder import SourceBuilder
    from imagewright.sandbox.emulation import this_platform

    @cache
    def host() -> LockedBase:
        return resolve_base(on.target.python, this_platform(), debian_archive(spec, session), listen=session.listen)

    return SourceBuilder(
        spec, on, session, downloads(spec, session), pip, lambda one, below: _apt(one, below, session), host
    )


def _apt(spec: ImageSpec, base: LockedBase | LockedImage | LockedSpec, session: Session) -> tuple[LockedDeb, ...]:
    """What ``apt_packages`` adds to the base."""
    if not spec.apt_packages:
        return ()
    wanted = sorted(set(spec.apt_packages))
    try:
        match _lowest(spec, base):
            case LockedBase() as debian, debs, _:
                debian = replace(debian, debs=tuple(sorted((*debian.debs, *debs))))
                return resolve_apt(debian, wanted, debian_archive(spec, session), listen=session.listen)
            case image, debs, below:
                from imagewright.build.apt_plan import plan_apt  # the sandbox, which no other lock needs

                # What specs below have added is no part of the image that apt is asked in: asked for again, it is left out.
                pins = [f"{deb.name}={deb.version}" for deb in debs]
                found = plan_apt(spec, below, image, [*pins, *wanted], session, snapshot=snapshot_of(spec))
                return tuple(deb for deb in found if deb not in debs)
    except LockError as error:
        named = [name for name in spec.apt_packages if repr(wanted_of(name).name) in error.what]
        error.where = error.where or spec.where_of(named[0] if named else "apt_packages")
        raise


def _lowest(
    spec: ImageSpec, base: LockedBase | LockedImage | LockedSpec
) -> tuple[LockedBase | LockedImage, tuple[LockedDeb, ...], ImageSpec]:
    """The base below all specs, the Debian packages that these have added to it, and the spec that names it."""
    if not isinstance(base, LockedSpec):
        return base, (), spec
    assert isinstance(spec.base_image, ImageSpec)
    lowest, debs, below = _lowest(spec.base_image, base.lock.base)
    return lowest, (*debs, *base.lock.apt), below
