"""ImageSpec -> lock, by asking: a mirror or a registry for the base, the indexes for the wheels."""

from dataclasses import replace

from imagewright.build.base.lock_base import debian_archive, lock_base
from imagewright.build.base.locked import LockedImage
from imagewright.build.inputs import downloads, request_of
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.events import Noted
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.packages.deb.apt_resolve import resolve_apt
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.spec import ImageSpec


def resolve_anew(
    spec: ImageSpec,
    platform: Platform,
    asked: Digest,
    pip: PipSettings,
    session: Session,
    parent: Lock | None,
    *,
    upgrade: bool,
) -> Lock:
    """The lock that answers ``asked``. ``upgrade`` forgets what the indexes said before.

    ``parent`` is the lock of a base that is a spec.

    Raises:
        SpecError, LockError: The requirements cannot be understood, or not be satisfied.
        NetworkError, CredentialsError, IntegrityError: An index or a mirror cannot be asked, or not be trusted.
    """
    below = lock_base(spec, platform, session, parent)
    base, target = below.base, Lock(asked, below.base, ()).target
    apt = _apt(spec, base, session)
    resolution = resolve(
        request_of(spec, target),
        uv=Uv(session.uv_dir, session.environ),
        pin=downloads(spec, session).pin,
        pip=pip,
        offline=session.offline,
        upgrade=upgrade,
        fixed=below.fixed,
        present=below.present,
    )
    for note in resolution.notes:
        session.listen(Noted(note))
    wheels = tuple(wheel for wheel in resolution.wheels if not below.has(wheel))
    return Lock(asked, base, wheels, apt)


def _apt(spec: ImageSpec, base: LockedBase | LockedImage | LockedSpec, session: Session) -> tuple[LockedDeb, ...]:
    """What ``apt_packages`` adds to the base."""
    if not spec.apt_packages:
        return ()
    try:
        debian = _debian(spec, base)
        return resolve_apt(debian, sorted(set(spec.apt_packages)), debian_archive(session), listen=session.listen)
    except LockError as error:
        named = [name for name in spec.apt_packages if repr(name.partition("=")[0]) in error.what]
        error.where = error.where or spec.where_of(named[0] if named else "apt_packages")
        raise


def _debian(spec: ImageSpec, base: LockedBase | LockedImage | LockedSpec) -> LockedBase:
    """The Debian packages that are below: the default base's, and what specs on it have added."""
    match base:
        case LockedBase():
            return base
        case LockedSpec():
            below = _debian(spec, base.lock.base)
            return replace(below, debs=tuple(sorted((*below.debs, *base.lock.apt))))
        case LockedImage():
            raise LockError(
                f"apt_packages are installed on the default base image only yet, not on {base.reference}",
                code="IW204",
                fix='commands=["apt-get update && apt-get install -y --no-install-recommends ..."]',
            )
