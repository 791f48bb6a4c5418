"""ImageSpec -> image: the steps of a build, in order."""

from imagewright.build.compatible import check_compatible
from imagewright.build.destination import place_of
from imagewright.build.inputs import downloads
from imagewright.build.plan import allow_bad_record, plan
from imagewright.build.publish import Workshop, publish
from imagewright.build.records import Records
from imagewright.build.resolve import lock_of
from imagewright.build.session import Session
from imagewright.build.source import source_layers
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.packages.deb.base import plan_base
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout


def build_image(spec: ImageSpec, platform: Platform, reference: Reference, session: Session) -> Reference:
    """Resolve, plan and publish; ``reference`` with the digest of what was made.

    Raises:
        ImagewrightError: A step failed. What was made before is kept, and is not made again the next time.
    """
    store = Layout(session.store_dir)
    with store.lease():
        lock = lock_of(spec, platform, session, upgrade=session.upgrade)
        inputs = downloads(spec, session)

        def check() -> None:
            target, allowed = plan_base(lock.base).target, allow_bad_record(spec)
            check_compatible(lock, target, inputs, session.layers_dir, allow_bad_record=allowed)
            spec.check_unchanged()

        workshop = Workshop(store, Records(session.layers_dir), inputs, session.jobs, session.listen)
        destination = place_of(reference, session) if reference.registry else None
        image = publish(plan(spec, lock, source_layers(spec)), reference, workshop, destination, check=check)
    return reference.with_digest(image.descriptor.digest)
