"""ImageSpec -> image: the steps of a build, in order. What not every build needs is loaded where it is needed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imagewright.build.compatible import check_compatible, check_conda, conda_digest, is_compatible, wheels_digest
from imagewright.build.destination import Place, place_of
from imagewright.build.inputs import downloads
from imagewright.build.kinds import OwnLayer
from imagewright.build.lock import Lock
from imagewright.build.planned import planned
from imagewright.build.publish import publish
from imagewright.build.records import Records
from imagewright.build.resolve import lock_of
from imagewright.build.session import Session
from imagewright.build.shared import SharedLayers, shared_layers
from imagewright.build.stepping import compiles, stepping_fields
from imagewright.build.workshop import Workshop
from imagewright.errors import IntegrityError, LockError, NetworkError, StoreError
from imagewright.oci.image import Image
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource

if TYPE_CHECKING:
    from imagewright.build.bytecode.compiler import Compiler
    from imagewright.build.run_step import StepRunner


def build_image(spec: ImageSpec, platform: Platform, reference: Reference, session: Session) -> Reference:
    """Resolve, plan and publish; ``reference`` with the digest of what was made.

    Raises:
        ImagewrightError: A step failed. What was made before is kept, and is not made again the next time.
    """
    steps = step_runner_of(spec, platform, session)
    with Layout(session.store_dir).lease():
        destination = place_of(reference, session) if reference.registry else None
        shared = shared_layers(session, destination)
        lock = lock_of(spec, platform, session, upgrade=session.upgrade, shared=shared)
        image = make_image(spec, lock, reference, session, steps, destination, shared)
    return reference.with_digest(image.descriptor.digest)


def make_image(
    spec: ImageSpec,
    lock: Lock,
    reference: Reference,
    session: Session,
    steps: "StepRunner | None",
    destination: Place | None,
    shared: SharedLayers | None,
    *,
    tag: bool = True,
) -> Image:
    """The image of a lock, published. Whoever asks holds a lease of the local store; ``tag`` as `publish` has it."""
    inputs = downloads(spec, session)

    def check() -> None:
        known = shared.is_compatible if shared is not None else lambda wheels: False
        for field, see in (("packages", check_compatible), ("conda_packages", check_conda)):
            try:
                see(spec, lock, inputs, session.layers_dir, known=known)
            except LockError as error:
                error.where = error.where or spec.where_of(field)
                raise
        spec.check_unchanged()

    def prepare(missing: Sequence[OwnLayer]) -> None:
        files = [file for layer in missing for file in layer.inputs]
        if any(wheel.source is not None for wheel in lock.environment):
            if not is_compatible(
                spec, lock, session.layers_dir, known=shared.is_compatible if shared is not None else None
            ):
                files += [wheel.file for wheel in lock.environment]
            from imagewright.build.from_source.again import have_built  # what only such a lock pays

            have_built({file.digest for file in files}, lock, spec, session)

    made = planned(spec, lock, session)
    workshop = Workshop(
        Layout(session.store_dir),
        Records(session.layers_dir),
        inputs,
        session.jobs,
        session.listen,
        base=_origin(made.base),
        shared=shared,
        steps=steps,
        compiler=compiler_of(spec, lock.target.platform, session),
    )
    compatible = (wheels_digest(spec, lock),) if lock.environment else ()
    if lock.conda_environment is not None:
        compatible = (*compatible, conda_digest(spec, lock))
    try:
        return publish(
            made.plan, reference, workshop, destination, check=check, prepare=prepare, compatible=compatible, tag=tag
        )
    except (NetworkError, StoreError, IntegrityError):
        if shared is None or not shared.lost():
            raise
    # A layer that the registry had offered is gone: as if none were offered.
    return publish(
        made.plan, reference, workshop, destination, check=check, prepare=prepare, compatible=compatible, tag=tag
    )


def step_runner_of(spec: ImageSpec, platform: Platform, session: Session) -> "StepRunner | None":
    """What runs the spec's steps for a platform; None when it has none.

    Raises:
        SandboxError: This machine cannot run them (IW601, IW603). Asked before any other work of a build.
    """
    if not stepping_fields(spec):
        return None
    from imagewright.build.run_step import step_runner

    return step_runner(spec, session.cache_dir, session.listen, platform, session.environ)


def compiler_of(spec: ImageSpec, platform: Platform, session: Session) -> "Compiler | None":
    """What makes the spec's bytecode for a platform; None when it wants none. Whether it can is asked once some is missing."""
    if not compiles(spec):
        return None
    from imagewright.build.bytecode.compiler import Compiler
    from imagewright.build.run_step import sandbox_for

    return Compiler(session.rootfs_dir, lambda: sandbox_for(spec, session.cache_dir, platform, ("compile_bytecode",)))


def _origin(base: BlobSource | None) -> BlobSource | None:
    if base is None:
        return None
    from imagewright.build.base.opened import origin

    return origin(base)
