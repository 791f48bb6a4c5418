"""``apt_packages`` -> a step: apt installs the locked packages, right above the base image."""

from collections.abc import Sequence

from imagewright.build.step import Origin, Step
from imagewright.oci.digest import Digest
from imagewright.packages.deb.apt import IGNORED, file_name, install
from imagewright.packages.deb.locked import LockedDeb
from imagewright.spec import ImageSpec

TIMEOUT_SECONDS = 3600.0
"""An installation that takes longer waits for an answer that it will not get."""

_SHOWN = 3


def apt_steps(spec: ImageSpec, debs: Sequence[LockedDeb], below: Sequence[Digest]) -> tuple[Step, ...]:
    """The step that installs ``debs``; none when the base image has all that is asked for."""
    if not debs:
        return ()
    wanted = sorted(set(spec.apt_packages))
    how = install(wanted, debs)
    names = ", ".join(wanted[:_SHOWN]) + (f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else "")
    step = Step(
        f"apt packages {names}",
        tuple(below),
        how.argv,
        how.env,
        "/",
        network=False,
        origin=Origin("apt_packages", ", ".join(wanted), where=spec.where_of("apt_packages")),
        files=tuple((file_name(deb), deb.file) for deb in debs),
        texts=how.texts,
        ignored=IGNORED,
        timeout_seconds=TIMEOUT_SECONDS,
    )
    return (step,)
