"""In which order the packages of an image are installed, and which of them may overwrite files of those before.

A base that is a spec lies below, with an order of its own. Then come the spec's packages by name, and last those that it
lists in ``allow_overwrite``: what is in an upper layer is what a container sees.
"""

from collections.abc import Sequence
from typing import TypeVar

from imagewright.build.budget import Package, in_order
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.package_options import allow_overwrite
from imagewright.packages.conda.locked import LockedConda
from imagewright.packages.overwriting import Overwriting
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.spec import ImageSpec
from imagewright.spec.names import normalized_name

P = TypeVar("P", bound=Package)


def wheels_in_order(spec: ImageSpec, lock: Lock) -> tuple[tuple[LockedWheel, ...], Overwriting]:
    """All wheels of the environment, those of specs below first, and which may overwrite."""
    below: tuple[LockedWheel, ...] = ()
    allowed: frozenset[str] = frozenset()
    if isinstance(lock.base, LockedSpec) and isinstance(spec.base_image, ImageSpec):
        below, overwriting = wheels_in_order(spec.base_image, lock.base.lock)
        allowed = overwriting.packages
    listed = allow_overwrite(spec)
    return (*below, *in_order(lock.wheels, listed)), _overwriting(allowed, lock.wheels, spec, lock)


def conda_in_order(spec: ImageSpec, lock: Lock) -> tuple[tuple[LockedConda, ...], Overwriting]:
    """All conda packages of the environment, those of specs below first, and which may overwrite."""
    below: tuple[LockedConda, ...] = ()
    allowed: frozenset[str] = frozenset()
    if isinstance(lock.base, LockedSpec) and isinstance(spec.base_image, ImageSpec):
        below, overwriting = conda_in_order(spec.base_image, lock.base.lock)
        allowed = overwriting.packages
    own = lock.conda.packages if lock.conda is not None else ()
    return (*below, *in_order(own, allow_overwrite(spec))), _overwriting(allowed, own, spec, lock)


def _overwriting(below: frozenset[str], own: Sequence[Package], spec: ImageSpec, lock: Lock) -> Overwriting:
    listed = allow_overwrite(spec)
    conda = lock.conda.packages if lock.conda is not None else ()
    installed = {wheel.name for wheel in lock.wheels} | {normalized_name(one.name) for one in conda}
    absent = tuple(name for name in listed if name not in installed)
    return Overwriting(below | {normalized_name(one.name) for one in own} & set(listed), listed, absent)
