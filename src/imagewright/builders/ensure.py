"""Make sure that images exist: the one place that asks "is it there?"."""

import time
from collections.abc import Iterable

from imagewright.build.destination import local_place, target_reference
from imagewright.build.session import Session
from imagewright.build.turns import turn
from imagewright.builders.catalog import builder_named
from imagewright.builders.existing import existing
from imagewright.errors import CredentialsError, ImagewrightError, NetworkError
from imagewright.events import BuildStarted, ImageFound, Noted
from imagewright.oci.reference import Reference
from imagewright.parallel import run_all
from imagewright.spec import ImageSpec

BUILDS = 4  # at once: each has workers of its own, and resolving waits for the network most of the time


def ensure(spec: ImageSpec, session: Session, *, force: bool = False) -> Reference:
    """The spec's image, pinned by digest; built only if it is not there. One HEAD request when it is.

    Raises:
        NetworkError, CredentialsError, StoreError: The registry cannot tell whether it is there. An unknown answer is
            never taken for a yes, and never for a no, unless the session says so with ``assume_exists``. The
            reference is then not pinned, unless the image is here as well.
    """
    started = time.monotonic()
    build = builder_named(session.builder or spec.builder or "").prepare(spec, session)
    platform = ",".join(str(platform) for platform in spec.platforms)

    def found() -> Reference | None:
        try:
            reference = existing(spec, build.reference, session)
        except (NetworkError, CredentialsError) as error:
            if not session.assume_exists:
                error.fix = error.fix or ("run it again, or say yourself that the image is there: --assume-exists",)
                raise
            return assumed(build.reference, error, session)
        if reference is None:
            return None
        session.listen(ImageFound(spec.name, platform, reference, time.monotonic() - started))
        return reference

    forced = force or spec.forced
    if not forced and (reference := found()):
        return reference
    with turn(build.reference, session.locks_dir, session.listen) as waited:
        if waited and not forced and (reference := found()):
            return reference
        where = f"{spec.where.file}:{spec.where.line}" if spec.where.line else ""
        session.listen(BuildStarted(spec.name, platform, where, forced))
        return build.run()


def assumed(reference: Reference, error: ImagewrightError, session: Session) -> Reference:
    """An image that the user says is there, whose registry cannot be asked. Pinned if it is in the local store as well."""
    session.listen(Noted(f"{reference} is taken to be there, as --assume-exists says: {error.what}"))
    here = local_place(reference, session).resolve()
    return reference.with_digest(here.digest) if here else reference


def ensure_all(specs: Iterable[ImageSpec], session: Session, *, force: bool = False) -> dict[ImageSpec, Reference]:
    """Every distinct spec's image, built in parallel. Specs with one content, name, registry and builder are built once.

    Raises:
        LockError: The session's ``locked`` or ``upgrade`` does not go together with the lock files that there are (IW209).
    """
    specs = list(specs)
    if session.locked or session.upgrade:
        from imagewright.build.lock_check import check_lock_files  # TOML, which an image that is there does not pay

        check_lock_files(specs, session)
    wanted = {spec: (target_reference(spec, session), session.builder or spec.builder or "") for spec in specs}
    distinct = {image: spec for spec, image in wanted.items()}
    made = run_all(lambda spec: ensure(spec, session, force=force), distinct.values(), jobs=BUILDS)
    pinned = dict(zip(distinct, made, strict=True))
    return {spec: pinned[image] for spec, image in wanted.items()}
