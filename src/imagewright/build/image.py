"""ImageSpec -> image: the steps of a build, in order. What not every build needs is loaded where it is needed."""

from typing import TYPE_CHECKING

from imagewright.build.compatible import check_compatible
from imagewright.build.destination import place_of
from imagewright.build.inputs import downloads
from imagewright.build.plan import allow_bad_record
from imagewright.build.planned import planned
from imagewright.build.publish import Workshop, publish
from imagewright.build.records import Records
from imagewright.build.resolve import lock_of
from imagewright.build.session import Session
from imagewright.build.stepping import stepping_fields
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout
from imagewright.store.protocol import BlobSource

if TYPE_CHECKING:
    from imagewright.build.run_step import StepRunner


def build_image(spec: ImageSpec, platform: Platform, reference: Reference, session: Session) -> Reference:
    """Resolve, plan and publish; ``reference`` with the digest of what was made.

    Raises:
        ImagewrightError: A step failed. What was made before is kept, and is not made again the next time.
    """
    store = Layout(session.store_dir)
    steps = _step_runner(spec, session)
    with store.lease():
        lock = lock_of(spec, platform, session, upgrade=session.upgrade)
        inputs = downloads(spec, session)

        def check() -> None:
            allowed = allow_bad_record(spec)
            check_compatible(lock, lock.target, inputs, session.layers_dir, allow_bad_record=allowed)
            spec.check_unchanged()

        made = planned(spec, lock, session)
        workshop = Workshop(
            store,
            Records(session.layers_dir),
            inputs,
            session.jobs,
            session.listen,
            base=_origin(made.base),
            steps=steps,
        )
        destination = place_of(reference, session) if reference.registry else None
        image = publish(made.plan, reference, workshop, destination, check=check)
    return reference.with_digest(image.descriptor.digest)


def _step_runner(spec: ImageSpec, session: Session) -> "StepRunner | None":
    if not stepping_fields(spec):
        return None
    from imagewright.build.run_step import step_runner

    return step_runner(spec, session.cache_dir, session.listen)


def _origin(base: BlobSource | None) -> BlobSource | None:
    if base is None:
        return None
    from imagewright.build.base.opened import origin

    return origin(base)
