"""Do the packages of a lock fit into one environment? Asked once for each set of wheels, and of conda packages."""

from collections.abc import Callable, Mapping
from pathlib import Path

from imagewright.build.install_order import conda_in_order, wheels_in_order
from imagewright.build.lock import Lock
from imagewright.build.package_options import allow_bad_record
from imagewright.layer.planned import Inputs
from imagewright.oci.digest import Digest, canonical_json, digest_of, hex_of
from imagewright.packages.conda.locked import LockedEnvironment
from imagewright.spec import ImageSpec
from imagewright.spec.names import normalized_name


def wheels_digest(spec: ImageSpec, lock: Lock) -> Digest:
    """The digest of what the answer depends on: the wheels, the Python, and conda packages where they go beside these.

    Where one may overwrite another's files, it is the order of the wheels as well.
    """
    document: dict[str, object] = {
        "python": lock.target.python,
        "wheels": sorted([wheel.filename, wheel.file.digest] for wheel in lock.environment),
    }
    if (beside := _beside(lock)) is not None:
        document["conda"] = sorted([one.filename, one.file.digest] for one in beside.packages)
    wheels, overwriting = wheels_in_order(spec, lock)
    if overwriting.packages:
        document["overwriting"] = [[wheel.name, wheel.name in overwriting.packages] for wheel in wheels]
    return digest_of(canonical_json(document))


def check_compatible(
    spec: ImageSpec,
    lock: Lock,
    inputs: Inputs,
    memory: Path,
    *,
    known: Callable[[Digest], bool] = lambda wheels: False,
) -> None:
    """Pass when no two packages have different files for one path. ``memory`` is the folder of what was found before.

    ``known`` is asked whether somebody else has found it.

    Raises:
        LockError: Two have (IW207).
    """
    if not is_compatible(spec, lock, memory, known=known):
        from imagewright.packages.pypi.conflicts import check_conflicts  # 25 ms, for a new set of wheels alone

        others: Mapping[str, tuple[str, str]] = {}
        if lock.environment and (beside := _beside(lock)) is not None:
            from imagewright.packages.conda.conflicts import paths_of
            from imagewright.packages.conda.install import Placement

            packages, _ = conda_in_order(spec, lock)
            others = paths_of(packages, inputs, Placement(beside.prefix, beside.minor))
        wheels, overwriting = wheels_in_order(spec, lock)
        allowed = allow_bad_record(spec)
        check_conflicts(wheels, inputs, lock.target, allow_bad_record=allowed, others=others, overwriting=overwriting)
        memory.mkdir(parents=True, exist_ok=True)
        _marker(wheels_digest(spec, lock), memory).touch()


def is_compatible(spec: ImageSpec, lock: Lock, memory: Path, *, known: Callable[[Digest], bool] | None) -> bool:
    """Whether it was found before, here or by somebody whom ``known`` asks, that the wheels fit."""
    wheels = wheels_digest(spec, lock)
    return _marker(wheels, memory).exists() or (known is not None and known(wheels))


def _marker(packages: Digest, memory: Path) -> Path:
    return memory / f"{hex_of(packages)}.compatible"


def conda_digest(spec: ImageSpec, lock: Lock) -> Digest:
    """The digest of what the answer depends on: the conda packages, where they go, and which may have scripts.

    Where one may overwrite another's files, it is the order of the packages as well.
    """
    environment = lock.conda_environment
    assert environment is not None
    document: dict[str, object] = {
        "conda": sorted([one.filename, one.file.digest] for one in environment.packages),
        "prefix": environment.prefix,
        "python": environment.minor,
        "decided": _decided(spec, lock),
    }
    packages, overwriting = conda_in_order(spec, lock)
    if overwriting.packages:
        document["overwriting"] = [[one.name, normalized_name(one.name) in overwriting.packages] for one in packages]
    return digest_of(canonical_json(document))


def check_conda(
    spec: ImageSpec,
    lock: Lock,
    inputs: Inputs,
    memory: Path,
    *,
    known: Callable[[Digest], bool] = lambda packages: False,
) -> None:
    """Pass when the conda packages fit together, and none wants to run a script that nobody has decided about.

    Raises:
        LockError: Two have different files for one path (IW207), or one has a script (IW210).
        BuildError: A package is broken or hostile (IW303).
    """
    environment = lock.conda_environment
    if environment is None:
        return
    asked = conda_digest(spec, lock)
    marker = _marker(asked, memory)
    if not marker.exists() and not known(asked):
        from imagewright.packages.conda.conflicts import check_packages
        from imagewright.packages.conda.install import Placement

        placement = Placement(environment.prefix, environment.minor)
        packages, overwriting = conda_in_order(spec, lock)
        check_packages(packages, inputs, placement, decided=_decided(spec, lock), overwriting=overwriting)
        memory.mkdir(parents=True, exist_ok=True)
        marker.touch()


def _beside(lock: Lock) -> LockedEnvironment | None:
    """The conda packages that are in the environment of the wheels."""
    environment = lock.conda_environment
    return environment if environment is not None and environment.python else None


def _decided(spec: ImageSpec, lock: Lock) -> list[str]:
    """The packages of which it is decided what becomes of their scripts: all below, and our own where the spec says it."""
    scripts = "conda_post_link" in spec.builder_options
    own = {one.name for one in lock.conda.packages} if lock.conda is not None and not scripts else set()
    environment = lock.conda_environment
    return sorted({one.name for one in environment.packages} - own) if environment is not None else []
