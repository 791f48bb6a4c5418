"""``conda_packages`` -> pinned packages on a base, and what wheels on top of them find there."""

from dataclasses import replace

from imagewright.build.base.choose import CONDA
from imagewright.build.base.interpreters import Distribution
from imagewright.build.base.lock_base import Below
from imagewright.build.inputs import conda_channels, downloads
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.session import Session
from imagewright.errors import LockError
from imagewright.packages.conda.distributions import python_distributions
from imagewright.packages.conda.install import Placement
from imagewright.packages.conda.locked import LockedEnvironment
from imagewright.packages.conda.resolve import CondaRequest, Rattler, resolve_conda
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec
from imagewright.spec.image_spec import DEFAULT_PYTHON


def lock_conda(spec: ImageSpec, lock: Lock, session: Session) -> LockedEnvironment | None:
    """The packages of ``conda_packages``, on the base of ``lock``; None without any.

    A Python is asked for when one is needed and the base has none of the version that is wanted.

    Raises:
        SpecError, LockError, NetworkError: As `resolve_conda`; or a Python would hide the packages of a spec below.
    """
    if not spec.conda_packages:
        return None
    below = lock.conda_environment
    base = lock.base_target
    names_python = any(_name(one) == "python" for one in spec.conda_packages)
    wanted = (spec.python_version or "") if names_python or (below and below.python) else spec.python
    added = () if names_python or _has(base, wanted) else (f"python {wanted or DEFAULT_PYTHON}.*",)
    request = CondaRequest(
        tuple(dict.fromkeys(" ".join(one.split()) for one in (*spec.conda_packages, *added))),
        conda_channels(spec),
        base.platform,
        base.libc,
        wanted,
        spec.cuda or "",
        below.packages if below else (),
        spec.name,
        spec.where_of,
    )
    prefix = below.prefix if below else f"{base.prefix.rpartition('/')[0]}/{CONDA}"
    rattler = Rattler(session.conda_dir, session.environ, session.offline, session.upgrade)
    found = resolve_conda(request, prefix, rattler, downloads(spec, session).pin)
    _check_below(spec, lock, found)
    return replace(found, asked=tuple(sorted(set(spec.conda_packages))))


def with_conda_distributions(below: Below, spec: ImageSpec, lock: Lock, session: Session) -> Below:
    """``below`` with the Python packages that conda brings: wheels go into the same folder, so each is there once."""
    environment = lock.conda_environment
    if environment is None or not environment.python or not (spec.packages or spec.requirements):
        return below
    inputs = downloads(spec, session)
    inputs.fetch_all(one.file for one in environment.packages)
    there = python_distributions(environment.packages, inputs, Placement(environment.prefix, environment.minor))
    found = tuple(Distribution(name, version, commands=False) for name, version in there)
    # What the base has for another Python, this one does not see.
    own = lock.conda is not None and bool(lock.conda.python)
    kept = () if own else tuple(one for one in below.installed if one.name in below.extends)
    names = frozenset(one.name for one in (*kept, *found))
    return replace(below, installed=(*kept, *found), extends=names)


def _has(base: Target, wanted: str) -> bool:
    """Whether the base has a Python, of the version that is wanted."""
    return bool(base.python) and (not wanted or base.python == ".".join(wanted.split(".")[:2]))


def _check_below(spec: ImageSpec, lock: Lock, found: LockedEnvironment) -> None:
    """A Python on top of another spec would not see what that one has installed."""
    if isinstance(lock.base, LockedSpec) and found.python and lock.base.lock.environment:
        raise LockError(
            f"conda_packages of {spec.name!r} bring a Python, which would not see the packages of its base image",
            code="IW204",
            why=f"the base is another ImageSpec, which has installed packages for Python {lock.base.lock.target.python}",
            fix="give that one the conda_packages, or leave Python out of them",
            where=spec.where_of("conda_packages"),
        )


def _name(spec: str) -> str:
    """The name in a match spec: ``conda-forge::python>=3.11`` is of python."""
    text = spec.strip().rpartition("::")[2]
    for at, letter in enumerate(text):
        if not (letter.isalnum() or letter in "-_."):
            return text[:at].lower()
    return text.lower()
