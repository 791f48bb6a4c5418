"""Lock -> plan, with what a plan is made of: the base's manifest and config, and the user's files."""

from imagewright.build.base.locked import LockedImage
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.package_options import allow_overwrite
from imagewright.build.plan import Plan, default_base, image_base, plan
from imagewright.build.session import Session
from imagewright.build.source import source_layers
from imagewright.dataclass import dataclass
from imagewright.packages.deb.locked import LockedBase
from imagewright.spec import ImageSpec
from imagewright.store.protocol import BlobSource


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and where its given layers are; None when it has none."""

    plan: Plan
    base: BlobSource | None


def planned(spec: ImageSpec, lock: Lock, session: Session, *, changed_above: bool = False) -> Planned:
    """The plan of a spec. A base that is a spec is planned first: its layers lie below ours.

    ``changed_above``: commands or packages of an image on this one may change files that it has.

    Raises:
        SpecError: A file that the spec names is not there.
        StoreError, NetworkError, CredentialsError: The base image cannot be read.
    """
    base: BlobSource | None = None
    match lock.base:
        case LockedBase():
            below = default_base(lock.base)
        case LockedImage():
            from imagewright.build.base.opened import open_locked  # 10 ms that the default base does not pay

            base, image = open_locked(spec, lock.base, session)
            below = image_base(lock.base, image)
        case LockedSpec():
            assert isinstance(spec.base_image, ImageSpec)
            above = changed_above or bool(spec.commands or spec.apt_packages or allow_overwrite(spec))
            parent = planned(spec.base_image, lock.base.lock, session, changed_above=above)
            below, base = parent.plan, parent.base
    sources = source_layers(spec, lock.code_folder)
    return Planned(plan(spec, lock, below, sources, changed_above=changed_above), base)
