"""Whether lock files are of what their specs ask for now."""

from collections.abc import Iterable
from pathlib import Path

from imagewright.build.change_text import sentence
from imagewright.build.changes import asked_changes
from imagewright.build.ingredients import Ingredients, requiring
from imagewright.build.lock import requirements_of
from imagewright.build.lock_file import read_lock
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.oci.platform import Platform
from imagewright.spec import ImageSpec

_SHOWN = 4


def checked_lock(spec: ImageSpec, platform: Platform) -> Ingredients:
    """What the lock file of a spec says, which is there.

    Raises:
        LockError: It cannot be read, or the spec asks for something else now (IW209).
    """
    file = spec.lock_file(platform)
    locked = read_lock(file)
    if locked.lock.asked == requirements_of(spec, platform):
        return locked
    changes = [sentence(change) for change in asked_changes(locked.content, requiring(spec.content))]
    more = [f"and {len(changes) - _SHOWN} more"] if len(changes) > _SHOWN else []
    raise LockError(
        f"the lock file {file.name} is not of what image {spec.name!r} asks for now",
        code="IW209",
        why=[*changes[:_SHOWN], *more] or "its requirements, Python or indexes changed after it was written",
        fix=f"imagewright lock {Path(spec.where.file).name}",
        where=spec.where,
    )


def check_lock_files(specs: Iterable[ImageSpec], session: Session) -> None:
    """See that what the session says of lock files can be done for these specs.

    Raises:
        LockError: It cannot (IW209).
    """
    if session.locked:
        check_locked(specs)
    elif session.upgrade:
        check_upgrade(specs)


def check_locked(specs: Iterable[ImageSpec]) -> None:
    """See that every spec has its lock files, and that they are of what it asks for: what ``--locked`` promises.

    Raises:
        LockError: One is not there, or is of something else (IW209).
    """
    for spec in specs:
        for platform in spec.platforms:
            file = spec.lock_file(platform)
            if not file.exists():
                raise LockError(
                    f"--locked: image {spec.name!r} has no lock file for {platform}",
                    code="IW209",
                    why=f"there is no {file}",
                    fix=f"imagewright lock {Path(spec.where.file).name}",
                    where=spec.where,
                )
            checked_lock(spec, platform)


def check_upgrade(specs: Iterable[ImageSpec]) -> None:
    """See that no spec has a lock file: a build takes what it lists, and does not change it.

    Raises:
        LockError: One has (IW209).
    """
    for spec in specs:
        below = (spec.base_image,) if isinstance(spec.base_image, ImageSpec) else ()
        check_upgrade(below)
        for file in map(spec.lock_file, spec.platforms):
            if file.exists():
                raise LockError(
                    f"--upgrade: image {spec.name!r} has a lock file, which no build changes",
                    code="IW209",
                    why=f"it is made of what {file.parent.name}/{file.name} lists",
                    fix=f"imagewright lock --upgrade {Path(spec.where.file).name}",
                    where=spec.where,
                )
