"""Requirements become a lock: exact wheels for one target, each pinned by digest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from imagewright.errors import ImagewrightError, IntegrityError, LockError, Where
from imagewright.packages.pypi.indexes import configure_indexes
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.pylock import Pin, choose_wheels, pin_wheels, write_lock
from imagewright.packages.pypi.request import Request, check_request
from imagewright.packages.pypi.request_extra_args import parse_extra_args
from imagewright.packages.pypi.requirements_file import read_lines
from imagewright.packages.pypi.resolve_default_index import default_index_config
from imagewright.packages.pypi.resolve_errors import explain
from imagewright.packages.pypi.resolve_errors_network import explain_network
from imagewright.packages.pypi.resolve_other_wheels import other_wheels
from imagewright.packages.pypi.resolve_uv import Uv, run_uv

_VERSION = re.compile(r"\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?")


@dataclass(frozen=True, slots=True)
class Resolution:
    """The wheels to install, by name, and the lock that says so: pylock.toml for this one target.

    ``notes`` are what the user should be told once: settings of pip that were passed on.
    """

    wheels: tuple[LockedWheel, ...]
    pylock: str
    notes: tuple[str, ...] = ()


def resolve(
    request: Request,
    *,
    uv: Uv,
    pin: Pin,
    pip: PipSettings = PipSettings(),  # noqa: B008 - frozen
    offline: bool = False,
    upgrade: bool = False,
    previous: str = "",
    fixed: Sequence[tuple[str, str]] = (),
    present: Sequence[tuple[str, str]] = (),
) -> Resolution:
    """Let uv resolve the request for its target.

    ``previous`` is an earlier lock whose versions are kept where they still fit; ``upgrade`` forgets it and asks the
    index anew. ``fixed`` are names and versions that the base image has where wheels go: no other version is taken.
    ``present`` are those that it has elsewhere: they are taken where they fit. ``offline`` uses uv's cache alone. ``pin`` is asked for the digests and sizes that the index does not
    tell.

    Raises:
        SpecError, LockError: The request cannot be understood, or not be satisfied.
        NetworkError, CredentialsError: The index cannot be asked.
        IntegrityError: A wheel is not one of those that a requirements file allows by its hashes.
    """
    check_request(request)
    if not request.requirements and request.requirements_file is None:
        return Resolution((), write_lock((), request.target))
    extra = parse_extra_args(request.extra_args, where=request.where)
    indexes = configure_indexes(request, extra, pip, uv.environ)
    arguments = [*indexes.arguments, *extra.uv]
    config = default_index_config(uv, indexes.environment, request.directory)
    arguments += [f"--config-file={config}"] if config else []
    arguments += ["--offline"] if offline else []
    # --upgrade forgets what uv would take for an earlier lock, and that is how it learns what is present.
    arguments += ["--refresh" if present else "--upgrade"] if upgrade else []
    compiled = run_uv(
        uv,
        request.requirements,
        request.requirements_file,
        request.target,
        directory=request.directory,
        arguments=arguments,
        environment=indexes.environment,
        previous=_preferences(present) or ("" if upgrade else previous),
        constraints=[f"{name}=={version}" for name, version in fixed],
    )
    if compiled.status != 0:
        failed = explain_network(compiled.said, request, indexes.logins, uv.environ) or explain(
            compiled.said,
            request,
            other_wheels=lambda requirement: other_wheels(requirement, request, uv, arguments, indexes.environment),
        )
        raise _with_fixed(failed, compiled.said, fixed)
    try:
        chosen = choose_wheels(compiled.text, request.target, directory=compiled.directory)
    except LockError as error:
        error.where = error.where or request.where
        raise
    wheels = pin_wheels(chosen, pin)
    _check_hashes(request, wheels)
    notes = (f"pip's settings are passed on to uv: {'; '.join(indexes.notes)}",) if indexes.notes else ()
    return Resolution(wheels, write_lock(wheels, request.target), notes)


def _preferences(present: Sequence[tuple[str, str]]) -> str:
    """A lock of these versions and of nothing else about them, which uv prefers."""
    rows = "".join(f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in _valid(present))
    return f'lock-version = "1.0"\ncreated-by = "imagewright"\n{rows}' if rows else ""


def _valid(present: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those with versions that uv can read; it would refuse the whole lock for another one."""
    return [(name, version) for name, version in present if _VERSION.fullmatch(version)]


def _with_fixed(error: ImagewrightError, said: str, fixed: Sequence[tuple[str, str]]) -> ImagewrightError:
    """Say which of the base image's versions stand in the way."""
    named = [f"{name} {version}" for name, version in fixed if re.search(rf"\b{re.escape(name)}\b", said)]
    if error.code == "IW202" and named:
        error.why = (*error.why, f"the base image has {', '.join(named[:4])}, in the environment that this one extends")
        error.fix = (*error.fix, "or ask for that version in the base image's own ImageSpec")
    return error


def _check_hashes(request: Request, wheels: Sequence[LockedWheel]) -> None:
    """uv reads the hashes of a requirements file but does not hold a lock to them, as pip's install would."""
    if request.requirements_file is None:
        return
    locked = {wheel.name: wheel for wheel in wheels}
    for line in read_lines(request.requirements_file):
        wheel = locked.get(canonicalize_name(line.name))
        if line.hashes and wheel is not None and wheel.file.digest not in line.hashes:
            raise IntegrityError(
                f"{wheel.filename} is none of the files that {line.file.name} allows by --hash",
                why=[f"the index has {wheel.file.digest}", *(f"allowed is {digest}" for digest in sorted(line.hashes))],
                fix="if the file on the index is the right one, write its digest into the requirements file",
                where=Where(str(line.file), line.number, line.text.partition(" --hash")[0], line.name),
            )
