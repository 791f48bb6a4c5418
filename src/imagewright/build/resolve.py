"""ImageSpec -> lock: every input pinned."""

import time
from pathlib import Path
from typing import Literal

from imagewright.build.base.locked import LockedImage
from imagewright.build.inputs import pip_settings
from imagewright.build.lock import Lock, requirements_of
from imagewright.build.remembered import RememberedLocks, question
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.events import BaseMoved, Resolved
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.spec import ImageSpec


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
    parent = (
        lock_of(spec.base_image, platform, session, upgrade=upgrade) if isinstance(spec.base_image, ImageSpec) else None
    )
    pip = pip_settings(session)
    memory = RememberedLocks(session.locks_dir)
    asked = question(requirements, pip, session, parent)
    if not upgrade and (known := memory.find(asked, any_age=session.offline)):
        _tell(spec, known, "remembered", started, session)
        return known
    # What asks indexes and mirrors takes 40 ms to load, which a lock that is known does not pay.
    from imagewright.build.resolve_anew import resolve_anew

    lock = resolve_anew(spec, platform, requirements, pip, session, parent, upgrade=upgrade)
    _tell_moved(spec, _before(file, memory.find(asked, any_age=True)), lock, session)
    memory.remember(asked, lock)
    _tell(spec, lock, "resolved", started, session)
    return lock


def _from_file(file: Path, requirements: Digest, spec: ImageSpec) -> Lock:
    from imagewright.build.lock_file import read_lock  # and its TOML, where there is such a file

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


def _before(file: Path, remembered: Lock | None) -> Lock | None:
    """The lock that a new one takes the place of, if there is one that can be read."""
    from imagewright.build.lock_file import read_lock

    try:
        return read_lock(file.read_text(encoding="utf-8"), name=file.name) if file.exists() else remembered
    except LockError:
        return remembered


def _tell_moved(spec: ImageSpec, before: Lock | None, lock: Lock, session: Session) -> None:
    """Say that the base's tag stands for another image than before: nothing else would show why all is built anew."""
    old, new = before.base if before else None, lock.base
    if not isinstance(old, LockedImage) or not isinstance(new, LockedImage):
        return
    if old.reference == new.reference and old.manifest.digest != new.manifest.digest:
        session.listen(BaseMoved(spec.name, new.reference, old.manifest.digest, new.manifest.digest))


def _tell(
    spec: ImageSpec, lock: Lock, how: Literal["resolved", "remembered", "lock file"], started: float, session: Session
) -> None:
    target = lock.target
    seconds = time.monotonic() - started
    session.listen(Resolved(spec.name, len(lock.wheels), target.python, " ".join(target.libc), how, seconds))
