"""ImageSpec -> lock, by asking: a mirror or a registry for the base, the indexes for the wheels."""

from imagewright.build.base.lock_base import lock_base
from imagewright.build.inputs import downloads, request_of
from imagewright.build.lock import Lock
from imagewright.build.session import Session
from imagewright.events import Noted
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
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
    return Lock(asked, base, tuple(wheel for wheel in resolution.wheels if not below.has(wheel)))
