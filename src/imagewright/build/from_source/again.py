"""Wheels that a lock says were built, on a machine that does not have them: built again, and compared."""

from dataclasses import replace

from imagewright.build.inputs import pip_settings
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.resolve_anew import source_builder
from imagewright.build.session import Session
from imagewright.errors import IntegrityError
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.spec import ImageSpec


def with_built_wheels(lock: Lock, spec: ImageSpec, session: Session, *, exactly: bool) -> Lock:
    """The lock, once the files of all its built wheels are here.

    Raises:
        IntegrityError: A wheel became another file than the locked one, which it has to be ``exactly``.
        ImagewrightError: One cannot be built.
    """
    builder = source_builder(spec, lock.base, session, pip_settings(session))

    def here(wheel: LockedWheel) -> LockedWheel:
        if wheel.source is None or builder.has(wheel):
            return wheel
        made = builder.build(wheel.source)
        if exactly and made.file.digest != wheel.file.digest:
            raise IntegrityError(
                f"{wheel.name} {wheel.version} was built again, and is not the file that was locked",
                why=[
                    f"expected {wheel.file.digest}",
                    f"got      {made.file.digest}",
                    f"built with {', '.join(made.source.requires if made.source else ())}",
                ],
                fix="imagewright lock --upgrade FILE takes the new one; or build where the locked one is",
                where=spec.where,
            )
        return made

    base = lock.base
    if isinstance(base, LockedSpec) and isinstance(spec.base_image, ImageSpec):
        base = LockedSpec(with_built_wheels(base.lock, spec.base_image, session, exactly=exactly))
    return replace(lock, base=base, wheels=tuple(here(wheel) for wheel in lock.wheels))
