"""Do the packages of a lock fit into one environment? Asked once for each set of wheels, and of conda packages."""

from collections.abc import Callable, Mapping
from pathlib import Path

from imagewright.build.lock import Lock
from imagewright.layer.planned import Inputs
from imagewright.oci.digest import Digest, canonical_json, digest_of, hex_of
from imagewright.packages.conda.locked import LockedEnvironment
from imagewright.packages.target import Target


def wheels_digest(lock: Lock) -> Digest:
    """The digest of what the answer depends on: the wheels, the Python, and conda packages where they go beside these."""
    document: dict[str, object] = {
        "python": lock.target.python,
        "wheels": sorted([wheel.filename, wheel.file.digest] for wheel in lock.environment),
    }
    if (beside := _beside(lock)) is not None:
        document["conda"] = sorted([one.filename, one.file.digest] for one in beside.packages)
    return digest_of(canonical_json(document))


def check_compatible(
    lock: Lock,
    target: Target,
    inputs: Inputs,
    memory: Path,
    *,
    allow_bad_record: frozenset[str],
    known: Callable[[Digest], bool] = lambda wheels: False,
) -> None:
    """Pass when no two packages have different files for one path. ``memory`` is the folder of what was found before.

    ``known`` is asked whether somebody else has found it.

    Raises:
        LockError: Two have (IW207).
    """
    if not is_compatible(lock, memory, known=known):
        from imagewright.packages.pypi.conflicts import check_conflicts  # 25 ms, for a new set of wheels alone

        others: Mapping[str, tuple[str, str]] = {}
        if lock.environment and (beside := _beside(lock)) is not None:
            from imagewright.packages.conda.conflicts import paths_of
            from imagewright.packages.conda.install import Placement

            others = paths_of(beside.packages, inputs, Placement(beside.prefix, beside.minor))
        check_conflicts(lock.environment, inputs, target, allow_bad_record=allow_bad_record, others=others)
        memory.mkdir(parents=True, exist_ok=True)
        _marker(lock, memory).touch()


def is_compatible(lock: Lock, memory: Path, *, known: Callable[[Digest], bool] | None) -> bool:
    """Whether it was found before, here or by somebody whom ``known`` asks, that the wheels fit."""
    return _marker(lock, memory).exists() or (known is not None and known(wheels_digest(lock)))


def _marker(lock: Lock, memory: Path) -> Path:
    return memory / f"{hex_of(wheels_digest(lock))}.compatible"


def conda_digest(lock: Lock, *, scripts: bool) -> Digest:
    """The digest of what the answer depends on: the conda packages, where they go, and which may have scripts.

    ``scripts`` says that somebody has decided what becomes of those of the lock's own packages.
    """
    environment = lock.conda_environment
    assert environment is not None
    document = {
        "conda": sorted([one.filename, one.file.digest] for one in environment.packages),
        "prefix": environment.prefix,
        "python": environment.minor,
        "decided": _decided(lock, scripts),
    }
    return digest_of(canonical_json(document))


def check_conda(
    lock: Lock,
    inputs: Inputs,
    memory: Path,
    *,
    scripts: bool,
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
    packages = conda_digest(lock, scripts=scripts)
    marker = memory / f"{hex_of(packages)}.compatible"
    if not marker.exists() and not known(packages):
        from imagewright.packages.conda.conflicts import check_packages
        from imagewright.packages.conda.install import Placement

        placement = Placement(environment.prefix, environment.minor)
        check_packages(environment.packages, inputs, placement, decided=_decided(lock, scripts))
        memory.mkdir(parents=True, exist_ok=True)
        marker.touch()


def _beside(lock: Lock) -> LockedEnvironment | None:
    """The conda packages that are in the environment of the wheels."""
    environment = lock.conda_environment
    return environment if environment is not None and environment.python else None


def _decided(lock: Lock, scripts: bool) -> list[str]:
    """The packages of which it is decided what becomes of their scripts: all below, and our own with ``scripts``."""
    own = {one.name for one in lock.conda.packages} if lock.conda is not None and not scripts else set()
    environment = lock.conda_environment
    return sorted({one.name for one in environment.packages} - own) if environment is not None else []
