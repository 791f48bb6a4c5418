"""ImageSpec -> lock: every input pinned."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from imagewright.build.ingredients import Ingredients
from imagewright.build.inputs import pip_settings
from imagewright.build.lock import Lock, requirements_of
from imagewright.build.pip_secrets import with_pip_secrets
from imagewright.build.portable import anchored
from imagewright.build.remembered import RememberedLocks, question
from imagewright.build.session import Session
from imagewright.build.shared import SharedLayers
from imagewright.errors import LockError
from imagewright.events import LockChanged, Resolved
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.spec import ImageSpec


def lock_of(
    spec: ImageSpec,
    platform: Platform,
    session: Session,
    *,
    upgrade: bool = False,
    before: Ingredients | None = None,
    shared: SharedLayers | None = None,
) -> Lock:
    """The lock of a spec: its lock file, else one that was resolved within a day, else a new one.

    ``upgrade`` resolves anew, whatever there is. ``before`` is what the lock file says that is to be written anew: what
    still fits stays as it is there. ``shared`` has locks that others resolved within a day.

    Raises:
        SpecError, LockError: The requirements cannot be understood, or not be satisfied; the lock file is of others.
        NetworkError, CredentialsError, IntegrityError: An index or a mirror cannot be asked, or not be trusted.
    """
    started = time.monotonic()
    requirements = requirements_of(spec, platform)
    file = spec.lock_file(platform)
    if not upgrade and before is None and file.exists():
        lock = _from_file(spec, platform)
        _tell(spec, lock, "lock file", started, session)
        return lock
    parent = _parent(spec, platform, session, upgrade=upgrade, before=before, shared=shared)
    session = with_pip_secrets(spec, session)
    pip = pip_settings(session)
    memory = RememberedLocks(session.locks_dir)
    asked = question(requirements, pip, session, parent)
    if not upgrade and before is None and (known := memory.find(asked, any_age=session.offline)):
        _tell(spec, known, "remembered", started, session)
        return known
    if not upgrade and before is None and shared is not None and (offered := shared.lock(asked)):
        lock, resolved = offered
        memory.remember(asked, lock, resolved)
        _tell(spec, lock, "shared", started, session)
        return lock
    # What asks indexes and mirrors takes 40 ms to load, which a lock that is known does not pay.
    from imagewright.build.resolve_anew import resolve_anew

    if before is not None:
        before = replace(before, lock=anchored(before.lock, spec.directory))
    lock = resolve_anew(spec, platform, requirements, pip, session, parent, upgrade=upgrade, before=before)
    _tell_changed(spec, _before(file, memory, asked), lock, session)
    if before is None:
        memory.remember(asked, lock)
        if shared is not None:
            shared.resolved(asked, lock)
    _tell(spec, lock, "resolved", started, session)
    return lock


def _parent(
    spec: ImageSpec,
    platform: Platform,
    session: Session,
    *,
    upgrade: bool,
    before: Ingredients | None,
    shared: SharedLayers | None,
) -> Lock | None:
    """The lock of a base that is a spec."""
    base = spec.base_image
    if not isinstance(base, ImageSpec):
        return None
    below = before.below if before is not None and not base.lock_file(platform).exists() else None
    if below is not None and below.lock.asked == requirements_of(base, platform):
        return anchored(below.lock, spec.directory)
    return lock_of(base, platform, session, upgrade=upgrade, before=below, shared=shared)


def _from_file(spec: ImageSpec, platform: Platform) -> Lock:
    from imagewright.build.lock_check import checked_lock  # and TOML, where there is such a file

    return anchored(checked_lock(spec, platform).lock, spec.directory)


def _before(file: Path, memory: RememberedLocks, asked: Digest) -> Lock | None:
    """The lock that a new one takes the place of, if there is one that can be read."""
    from imagewright.build.lock_file import read_lock

    try:
        if file.exists():
            return read_lock(file).lock
    except LockError:
        pass  # it is written anew
    return memory.find(asked, any_age=True)


def _tell_changed(spec: ImageSpec, before: Lock | None, lock: Lock, session: Session) -> None:
    """Say what is other than before: nothing else would show why layers are made anew."""
    from imagewright.build.changes import locked_changes

    if before is not None and (changes := locked_changes(before, lock)):
        session.listen(LockChanged(spec.name, changes))


def _tell(
    spec: ImageSpec,
    lock: Lock,
    how: Literal["resolved", "remembered", "shared", "lock file"],
    started: float,
    session: Session,
) -> None:
    target = lock.target
    seconds = time.monotonic() - started
    count = len(lock.wheels) + (len(lock.conda.packages) if lock.conda else 0)
    session.listen(Resolved(spec.name, count, target.python, " ".join(target.libc), how, seconds))
