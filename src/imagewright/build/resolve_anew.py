"""ImageSpec -> lock, by asking: the Debian mirror for the base's packages, the indexes for the wheels."""

import time
from pathlib import Path

from imagewright.build.inputs import downloads, mirrors, request_of
from imagewright.build.lock import Lock
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.events import BaseReady, Noted
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.packages.deb.base import plan_base
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.deb.release import Archive
from imagewright.packages.deb.resolve import resolve_base
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.spec import ImageSpec

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def resolve_anew(
    spec: ImageSpec, platform: Platform, asked: Digest, pip: PipSettings, session: Session, *, upgrade: bool
) -> Lock:
    """The lock that answers ``asked``. ``upgrade`` forgets what the indexes said before.

    Raises:
        SpecError, LockError: The requirements cannot be understood, or not be satisfied.
        NetworkError, CredentialsError, IntegrityError: An index or a mirror cannot be asked, or not be trusted.
    """
    base = _base(spec, platform, session)
    resolution = resolve(
        request_of(spec, plan_base(base).target),
        uv=Uv(session.uv_dir, session.environ),
        pin=downloads(spec, session).pin,
        pip=pip,
        offline=session.offline,
        upgrade=upgrade,
    )
    for note in resolution.notes:
        session.listen(Noted(note))
    return Lock(asked, base, resolution.wheels)


def _base(spec: ImageSpec, platform: Platform, session: Session) -> LockedBase:
    started = time.monotonic()
    place = Archive(
        mirrors(session),
        session.transport,
        Path(session.debian_keyring or DEBIAN_KEYRING),
        session.debian_dir,
        offline=session.offline,
        upgrade=session.upgrade,
    )
    try:
        base = resolve_base(spec.python, platform, place, listen=session.listen)
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
