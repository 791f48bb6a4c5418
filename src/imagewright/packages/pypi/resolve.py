"""Requirements become a lock: exact wheels for one target, each pinned by digest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import tomli_w

from imagewright.dataclass import dataclass
from imagewright.errors import ImagewrightError, LockError, Where
from imagewright.packages.pypi.allowed import allowed_by_lines, check_allowed
from imagewright.packages.pypi.built import BuiltWheels, WheelBuilder
from imagewright.packages.pypi.find_links import Known
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.project import Sources, project_itself, project_sources, read_project
from imagewright.packages.pypi.project_source_requirements import project_source_requirements
from imagewright.packages.pypi.pylock import ChosenWheel, Pin, choose_wheels, pin_wheels, write_lock
from imagewright.packages.pypi.request import Request, check_request
from imagewright.packages.pypi.request_extra_args import ExtraArgs, parse_extra_args
from imagewright.packages.pypi.requirements_file import has_sources, read_lines, read_options, with_sources_changed
from imagewright.packages.pypi.resolve_compile import Asking, Found, compile_wheels, with_wheel
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.pypi.source import Source
from imagewright.packages.pypi.uv_lock import export
from imagewright.spec.requirements import PROJECT, PYLOCK, SCRIPT


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
    known: Known = lambda path: None,
    pip: PipSettings = PipSettings(),  # noqa: B008 - frozen
    offline: bool = False,
    upgrade: bool = False,
    previous: str = "",
    fixed: Sequence[tuple[str, str]] = (),
    present: Sequence[tuple[str, str]] = (),
    builder: WheelBuilder | None = None,
    forbidden_by: str = "",
) -> Resolution:
    """Let uv resolve the request for its target, or take what a lock says for it.

    ``previous`` is an earlier lock whose versions are kept where they still fit; ``upgrade`` forgets it and asks the
    index anew. ``fixed`` are names and versions that the base image has where wheels go: no other version is taken.
    ``present`` are those that it has elsewhere: they are taken where they fit. ``offline`` uses uv's cache alone.
    ``pin`` is asked for the digests and sizes that the index does not tell, ``known`` before for digests of files of this
    machine that need not be read for it. ``builder`` makes wheels of what has none;
    without one, which ``forbidden_by`` may have asked for, such things are refused.

    Raises:
        SpecError, LockError: The request cannot be understood, or not be satisfied.
        BuildError, SandboxError: A wheel cannot be built.
        NetworkError, CredentialsError: The index cannot be asked.
        IntegrityError: A wheel is not one of those that a requirements file allows by its hashes.
    """
    extra = parse_extra_args(request.extra_args, kind=request.kind, where=request.where)
    with TemporaryDirectory(prefix="imagewright-wheels-") as folder:
        built = BuiltWheels(builder, Path(folder).resolve(), extra.only_binary, forbidden_by)
        check_request(request, builds=built.may(""), forbidden_by=built.forbidden_by)
        if not request.requirements and request.requirements_file is None:
            return Resolution((), write_lock((), request.target))
        found = _find(request, extra, Asking(uv, known, built, pip, offline, upgrade, previous, fixed, present))
        with _placed(request):
            chosen = choose_wheels(
                found.text,
                request.target,
                directory=found.directory,
                selection=found.selection,
                allowed=found.allowed,
                may_build=built.may,
                forbidden_by=built.forbidden_by,
                root=request.directory,
            )
            _check_fixed(chosen, fixed)
            wheels = tuple(sorted(_locked(chosen, found.sources, built, pin)))
        check_allowed(wheels, found.allowed, all_of_them=found.every_hash)
    return Resolution(wheels, write_lock(wheels, request.target), found.notes)


def _locked(
    chosen: Sequence[ChosenWheel], sources: Sequence[Source], built: BuiltWheels, pin: Pin
) -> Iterator[LockedWheel]:
    """The wheels, pinned: those of indexes, those that were built, and those that are built now."""
    for one in chosen:
        if one.source is not None:
            yield built.add(one.source)
        elif known := built.of(one.url):
            yield known
        else:
            yield from pin_wheels([one], pin)
    for source in sources:
        yield built.add(source)


def _find(request: Request, extra: ExtraArgs, asking: Asking) -> Found:
    file, project = request.requirements_file, project_itself(request)
    own = (project,) if project is not None else ()
    if file is None:
        return compile_wheels(request, extra, asking, Sources(()))
    if request.kind == PYLOCK:
        return Found(file.read_text(encoding="utf-8-sig"), file.parent, extra.selection, sources=own)
    if request.kind == "uv.lock":
        exported = export(request, asking.uv, extra.selection, offline=asking.offline, project=request.install_project)
        return Found(exported.compiled.text, exported.compiled.directory, notes=exported.notes)
    if request.kind == "poetry.lock":
        found = _poetry(request, extra, asking)
        return replace(found, sources=(*found.sources, *own))
    if request.kind == SCRIPT and not request.requirements and file.with_name(f"{file.name}.lock").is_file():
        read_project(file, request)
        exported = export(request, asking.uv, extra.selection, script=file, offline=asking.offline)
        return Found(exported.compiled.text, exported.compiled.directory)
    if request.kind in (PROJECT, SCRIPT):
        named = project_source_requirements(request, file, extra.selection, asking.uv.environ)
        overrides = [asking.built.requirement(one, request.where) for one in named]
        sources = project_sources(request, file, extra.selection)
        return compile_wheels(request, extra, asking, sources, overrides=overrides, project=project)
    allowed = allowed_by_lines(read_lines(file), request.target)
    wants_all = extra.require_hashes or read_options(file, asking.uv.environ).require_hashes
    every = "--require-hashes" if wants_all else ""
    if not has_sources(file):
        return compile_wheels(
            request, extra, asking, Sources((file,)), allowed=allowed, every_hash=every, project=project
        )
    with TemporaryDirectory(prefix="imagewright-lines-") as folder:
        lines = Path(folder) / file.name
        lines.write_text(_lines_with_wheels(file, request, asking), encoding="utf-8")
        return compile_wheels(
            request, extra, asking, Sources((lines,)), allowed=allowed, every_hash=every, project=project
        )


def _lines_with_wheels(file: Path, request: Request, asking: Asking) -> str:
    """The file's lines, with a wheel in place of every source."""

    def change(text: str, where: Where) -> str:
        return with_wheel(text, Path(where.file).parent, request, asking, where)

    return with_sources_changed(file, change)


def _poetry(request: Request, extra: ExtraArgs, asking: Asking) -> Found:
    from imagewright.packages.pypi.poetry_lock import read_poetry_lock

    with _placed(request):
        pins = read_poetry_lock(request, extra.selection)
    if not pins.requirements:
        return Found(write_lock((), request.target), request.directory, sources=pins.sources)
    with TemporaryDirectory(prefix="imagewright-poetry-") as folder:
        project = Path(folder) / PROJECT
        project.write_text(tomli_w.dumps(pins.as_project()), encoding="utf-8")
        found = compile_wheels(
            request, extra, asking, Sources((project,), ("--no-deps",), sdists=True), allowed=pins.allowed
        )
        return replace(found, sources=pins.sources)


def _check_fixed(chosen: Sequence[ChosenWheel], fixed: Sequence[tuple[str, str]]) -> None:
    """A lock knows nothing of the base image: where it wants another version, there can be no image."""
    there = dict(fixed)
    for wheel in chosen:
        if there.get(wheel.name, wheel.version) != wheel.version:
            raise LockError(
                f"the lock has {wheel.name} {wheel.version}, and the base image has {wheel.name} {there[wheel.name]}",
                code="IW202",
                fix="lock that version, or ask for the lock's in the base image's own ImageSpec",
            )


@contextmanager
def _placed(request: Request) -> Iterator[None]:
    """Errors that know no place in the user's files get the spec's."""
    try:
        yield
    except ImagewrightError as error:
        error.where = error.where or request.where
        if error.code == "IW204" and request.kind == "uv.lock":
            error.fix = (*error.fix, 'or leave it out: pip_extra_args="--no-emit-workspace", or --no-emit-package NAME')
        raise
