"""Wheels that a lock says were built, where their files are wanted and not here: built again, and compared."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from imagewright.build.inputs import pip_settings
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.resolve_anew import source_builder
from imagewright.build.session import Session
from imagewright.errors import IntegrityError
from imagewright.oci.digest import Digest
from imagewright.spec import ImageSpec


def have_built(wanted: Collection[Digest], lock: Lock, spec: ImageSpec, session: Session) -> None:
    """Have the files of a lock's built wheels here, as far as they are ``wanted``.

    Raises:
        IntegrityError: A wheel became another file than the locked one.
        ImagewrightError: One cannot be built.
    """
    if isinstance(lock.base, LockedSpec) and isinstance(spec.base_image, ImageSpec):
        have_built(wanted, lock.base.lock, spec.base_image, session)
    builder = source_builder(spec, replace(lock, wheels=(), apt=()), session, pip_settings(session))
    for wheel in lock.wheels:
        if wheel.source is None or wheel.file.digest not in wanted or builder.has(wheel):
            continue
        made = builder.build(wheel.source, spec.where_of(wheel.name))
        if made.file.digest != wheel.file.digest:
            file = Path(spec.where.file).name
            raise IntegrityError(
                f"{wheel.name} {wheel.version} was built again, and is not the file that was locked",
                why=[
                    f"expected {wheel.file.digest}",
                    f"got      {made.file.digest}",
                    f"built with {', '.join(made.source.requires if made.source else ())}",
                ],
                fix=f"resolve again: imagewright build --upgrade {file}, or imagewright lock --upgrade {file}",
                where=spec.where_of(wheel.name),
            )
