"""Do the wheels of a lock fit into one environment? Asked once for each set of wheels."""

from collections.abc import Callable
from pathlib import Path

from imagewright.build.lock import Lock
from imagewright.layer.planned import Inputs
from imagewright.oci.digest import Digest, canonical_json, digest_of, hex_of
from imagewright.packages.target import Target


def wheels_digest(lock: Lock) -> Digest:
    """The digest of what the answer depends on: the wheels and the Python."""
    wheels = sorted([wheel.filename, wheel.file.digest] for wheel in lock.environment)
    return digest_of(canonical_json({"python": lock.target.python, "wheels": wheels}))


def check_compatible(
    lock: Lock,
    target: Target,
    inputs: Inputs,
    memory: Path,
    *,
    allow_bad_record: frozenset[str],
    known: Callable[[Digest], bool] = lambda wheels: False,
) -> None:
    """Pass when no two wheels have different files for one path. ``memory`` is the folder of what was found before.

    ``known`` is asked whether somebody else has found it.

    Raises:
        LockError: Two have (IW207).
    """
    wheels = wheels_digest(lock)
    marker = memory / f"{hex_of(wheels)}.compatible"
    if not marker.exists() and not known(wheels):
        from imagewright.packages.pypi.conflicts import check_conflicts  # 25 ms, for a new set of wheels alone

        check_conflicts(lock.environment, inputs, target, allow_bad_record=allow_bad_record)
        memory.mkdir(parents=True, exist_ok=True)
        marker.touch()
