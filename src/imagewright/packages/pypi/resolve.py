"""Requirements become a lock: exact wheels for one target, each pinned by digest."""

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from imagewright.errors import IntegrityError, LockError, Where
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
) -> Resolution:
    """Let uv resolve the request for its target.

    ``previous`` is an earlier lock whose versions are kept where they still fit; ``upgrade`` forgets it and asks the
    index anew. ``offline`` uses uv's cache alone. ``pin`` is asked for the digests and sizes that the index does not
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
    arguments += ["--upgrade"] if upgrade else []
    compiled = run_uv(
        uv,
        request.requirements,
        request.requirements_file,
        request.target,
        directory=request.directory,
        arguments=arguments,
        environment=indexes.environment,
        previous="" if upgrade else previous,
    )
    if compiled.status != 0:
        raise explain_network(compiled.said, request, indexes.logins, uv.environ) or explain(
            compiled.said,
            request,
            other_wheels=lambda requirement: other_wheels(requirement, request, uv, arguments, indexes.environment),
        )
    try:
        chosen = choose_wheels(compiled.text, request.target, directory=compiled.directory)
    except LockError as error:
        error.where = error.where or request.where
        raise
    wheels = pin_wheels(chosen, pin)
    _check_hashes(request, wheels)
    notes = (f"pip's settings are passed on to uv: {'; '.join(indexes.notes)}",) if indexes.notes else ()
    return Resolution(wheels, write_lock(wheels, request.target), notes)


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
