"""ImageSpec -> lock: every input pinned."""

import time
from pathlib import Path
from typing import Literal

from imagewright.build.inputs import downloads, mirrors, pip_settings, request_of
from imagewright.build.lock import Lock, requirements_of
from imagewright.build.lock_file import read_lock
from imagewright.build.remembered import RememberedLocks, question
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.events import BaseReady, Noted, Resolved
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.packages.deb.base import plan_base
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.deb.release import Archive
from imagewright.packages.deb.resolve import resolve_base
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.spec import ImageSpec

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def lock_of(spec: ImageSpec, platform: Platform, session: Session, *, upgrade: bool = False) -> Lock:
    """The lock of a spec: its lock file, else one that was resolved within a day, else a new one.

    ``upgrade`` resolves anew, whatever there is.

    Raises:
        SpecError, LockError: The requirements cannot be understood, or not be satisfied; the lock file is of others.
        NetworkError, CredentialsError, IntegrityError: An index or a mirror cannot be asked, or not be trusted.
    """
    started = time.monotonic()
    requirements = requirements_of(spec, platform)
    file = spec.lock_file(platform)
    if not upgrade and file.exists():
        lock = _from_file(file, requirements, spec)
        _tell(spec, lock, "lock file", started, session)
        return lock
    pip = pip_settings(session)
    memory = RememberedLocks(session.locks_dir)
    asked = question(requirements, pip, session)
    if not upgrade and (known := memory.find(asked, any_age=session.offline)):
        _tell(spec, known, "remembered", started, session)
        return known
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
    lock = Lock(requirements, base, resolution.wheels)
    memory.remember(asked, lock)
    _tell(spec, lock, "resolved", started, session)
    return lock


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


def _from_file(file: Path, requirements: Digest, spec: ImageSpec) -> Lock:
    lock = read_lock(file.read_text(encoding="utf-8"), name=file.name)
    if lock.asked != requirements:
        raise LockError(
            f"the lock file {file.name} is not of what image {spec.name!r} asks for now",
            code="IW202",
            why="its requirements, Python or indexes changed after it was written",
            fix=f"imagewright lock {Path(spec.where.file).name}",
            where=spec.where,
        )
    return lock


def _tell(
    spec: ImageSpec, lock: Lock, how: Literal["resolved", "remembered", "lock file"], started: float, session: Session
) -> None:
    target = plan_base(lock.base).target
    seconds = time.monotonic() - started
    session.listen(Resolved(spec.name, len(lock.wheels), target.python, " ".join(target.libc), how, seconds))
