"""Requirements become a lock: exact wheels for one target, each pinned by digest."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import tomli_w

from imagewright.dataclass import dataclass
from imagewright.errors import ImagewrightError, LockError, Where
from imagewright.packages.pypi.allowed import Allowed, allowed_by_lines, check_allowed
from imagewright.packages.pypi.built import BuiltWheels, WheelBuilder
from imagewright.packages.pypi.find_links import Known, with_digests
from imagewright.packages.pypi.find_sdist import find_sdist
from imagewright.packages.pypi.indexes import Indexes, configure_indexes
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.poetry_lock import read_poetry_lock
from imagewright.packages.pypi.project import Sources, project_itself, project_sources, read_project
from imagewright.packages.pypi.project_source_requirements import project_source_requirements
from imagewright.packages.pypi.pylock import ChosenWheel, Pin, choose_wheels, pin_wheels, write_lock
from imagewright.packages.pypi.pylock_tags import holds
from imagewright.packages.pypi.request import Request, check_request, place
from imagewright.packages.pypi.request_extra_args import ExtraArgs, parse_extra_args
from imagewright.packages.pypi.requirements_file import has_sources, read_lines, read_options, with_sources_changed
from imagewright.packages.pypi.resolve_default_index import default_index_config
from imagewright.packages.pypi.resolve_errors import explain, where_of
from imagewright.packages.pypi.resolve_errors_network import explain_network
from imagewright.packages.pypi.resolve_other_wheels import other_wheels
from imagewright.packages.pypi.resolve_said import read_said
from imagewright.packages.pypi.resolve_uv import Compiled, Uv, run_uv
from imagewright.packages.pypi.selection import Selection
from imagewright.packages.pypi.source import Source
from imagewright.packages.pypi.source_requirement import SourceRequirement, source_requirement
from imagewright.packages.pypi.uv_lock import export
from imagewright.spec.requirements import PROJECT, PYLOCK, SCRIPT

_VERSION = re.compile(r"\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?")


@dataclass(frozen=True, slots=True)
class Resolution:
    """The wheels to install, by name, and the lock that says so: pylock.toml for this one target.

    ``notes`` are what the user should be told once: settings of pip that were passed on.
    """

    wheels: tuple[LockedWheel, ...]
    pylock: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A lock for the target or for more, what to take of it, and which of its files are allowed.

    ``every_hash`` says who wants every file to be allowed by a hash. ``sources`` come to the lock's packages.
    """

    text: str
    directory: Path
    selection: Selection = Selection()
    allowed: Mapping[str, Allowed] = field(default_factory=dict)
    every_hash: str = ""
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asking:
    """How uv is asked: `resolve`'s own arguments, and what was built for it."""

    uv: Uv
    known: Known
    built: BuiltWheels
    pip: PipSettings
    offline: bool
    upgrade: bool
    previous: str
    fixed: Sequence[tuple[str, str]]
    present: Sequence[tuple[str, str]]


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
        found = _find(request, extra, _Asking(uv, known, built, pip, offline, upgrade, previous, fixed, present))
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


def _find(request: Request, extra: ExtraArgs, asking: _Asking) -> _Found:
    file, project = request.requirements_file, project_itself(request)
    own = (project,) if project is not None else ()
    if file is None:
        return _compile(request, extra, asking, Sources(()))
    if request.kind == PYLOCK:
        return _Found(file.read_text(encoding="utf-8-sig"), file.parent, extra.selection, sources=own)
    if request.kind == "uv.lock":
        exported = export(request, asking.uv, extra.selection, offline=asking.offline, project=request.install_project)
        return _Found(exported.compiled.text, exported.compiled.directory, notes=exported.notes)
    if request.kind == "poetry.lock":
        found = _poetry(request, extra, asking)
        return replace(found, sources=(*found.sources, *own))
    if request.kind == SCRIPT and not request.requirements and file.with_name(f"{file.name}.lock").is_file():
        read_project(file, request)
        exported = export(request, asking.uv, extra.selection, script=file, offline=asking.offline)
        return _Found(exported.compiled.text, exported.compiled.directory)
    if request.kind in (PROJECT, SCRIPT):
        named = project_source_requirements(request, file, extra.selection, asking.uv.environ)
        overrides = [asking.built.requirement(one, request.where) for one in named]
        sources = project_sources(request, file, extra.selection)
        return _compile(request, extra, asking, sources, overrides=overrides, project=project)
    allowed = allowed_by_lines(read_lines(file), request.target)
    wants_all = extra.require_hashes or read_options(file, asking.uv.environ).require_hashes
    every = "--require-hashes" if wants_all else ""
    if not has_sources(file):
        return _compile(request, extra, asking, Sources((file,)), allowed=allowed, every_hash=every, project=project)
    with TemporaryDirectory(prefix="imagewright-lines-") as folder:
        lines = Path(folder) / file.name
        lines.write_text(_lines_with_wheels(file, request, asking), encoding="utf-8")
        return _compile(request, extra, asking, Sources((lines,)), allowed=allowed, every_hash=every, project=project)


def _lines_with_wheels(file: Path, request: Request, asking: _Asking) -> str:
    """The file's lines, with a wheel in place of every source."""

    def change(text: str, where: Where) -> str:
        return _with_wheel(text, Path(where.file).parent, request, asking, where)

    return with_sources_changed(file, change)


def _with_wheel(text: str, folder: Path, request: Request, asking: _Asking, where: Where | None) -> str:
    """A requirement with a wheel in place of its source, "" when its marker does not hold."""
    wanted = source_requirement(text, folder, request.directory, asking.uv.environ, where=where)
    if wanted is None:
        return text
    return asking.built.requirement(wanted, where, named=text) if holds(wanted.marker, request.target) else ""


def _poetry(request: Request, extra: ExtraArgs, asking: _Asking) -> _Found:
    with _placed(request):
        pins = read_poetry_lock(request, extra.selection)
    if not pins.requirements:
        return _Found(write_lock((), request.target), request.directory, sources=pins.sources)
    with TemporaryDirectory(prefix="imagewright-poetry-") as folder:
        project = Path(folder) / PROJECT
        project.write_text(tomli_w.dumps(pins.as_project()), encoding="utf-8")
        found = _compile(request, extra, asking, Sources((project,), ("--no-deps",), sdists=True), allowed=pins.allowed)
        return replace(found, sources=pins.sources)


def _compile(
    request: Request,
    extra: ExtraArgs,
    asking: _Asking,
    sources: Sources,
    *,
    allowed: Mapping[str, Allowed] | None = None,
    every_hash: str = "",
    overrides: Sequence[str] = (),
    project: Source | None = None,
) -> _Found:
    uv, built = asking.uv, asking.built
    indexes = configure_indexes(request, extra, asking.pip, uv.environ)
    arguments = [*indexes.arguments, *extra.uv, *sources.arguments]
    config = default_index_config(uv, indexes.environment, request.directory)
    arguments += [f"--config-file={config}"] if config else []
    arguments += ["--offline"] if asking.offline else []
    # --upgrade forgets what uv would take for an earlier lock, and that is how it learns what is present.
    arguments += ["--refresh" if asking.present else "--upgrade"] if asking.upgrade else []
    requirements = [
        line
        for text in request.requirements
        if (line := _with_wheel(text, request.directory, request, asking, place(request.where, text)))
    ]
    if project is not None:
        extras = f"[{','.join(extra.selection.extras)}]" if extra.selection.extras else ""
        requirements.append(built.requirement(SourceRequirement(project, extras), request.where))

    environment = dict(indexes.environment)
    if links := environment.get("UV_FIND_LINKS"):
        environment["UV_FIND_LINKS"] = with_digests(links, request.directory, asking.known, uv.cache / "find-links")

    def asked() -> Compiled:
        return run_uv(
            uv,
            requirements,
            sources.files,
            request.target,
            directory=request.directory,
            arguments=[*arguments, *([f"--find-links={built.folder}"] if built else [])],
            environment=environment,
            previous=_preferences(asking.present) or ("" if asking.upgrade else asking.previous),
            constraints=[*request.constraints, *(f"{name}=={version}" for name, version in asking.fixed)],
            overrides=overrides,
            sources=sources.sdists and built.may(""),
        )

    compiled = asked()
    while compiled.status != 0 and _built_more(compiled.said, request, asking, arguments, indexes):
        compiled = asked()
    if compiled.status != 0:
        failed = _explained(compiled, request, uv, indexes, arguments)
        raise _with_fixed(_with_forbidden(failed, built), compiled.said, asking.fixed)
    notes = (f"pip's settings are passed on to uv: {'; '.join(indexes.notes)}",) if indexes.notes else ()
    return _Found(compiled.text, compiled.directory, allowed=allowed or {}, every_hash=every_hash, notes=notes)


def _built_more(said: str, request: Request, asking: _Asking, arguments: Sequence[str], indexes: Indexes) -> bool:
    """Build wheels of what has none for the target, by what uv said; whether there is a new one.

    Wheels are preferred, as by pip's --prefer-binary: this comes after no resolution was found with wheels alone.
    """
    before = len(asking.built)
    facts = read_said(said)
    for term in facts.without_wheel:
        if not asking.built.may(term.name):
            continue
        source = find_sdist(term, facts, request, asking.uv, arguments, indexes.environment)
        if source is not None and not asking.built.has(source.name, source.version):
            asking.built.add(source, where_of(request, term.name))
    return len(asking.built) > before


def _with_forbidden(error: ImagewrightError, built: BuiltWheels) -> ImagewrightError:
    """Say who forbids to build what has no wheel."""
    forbidden_by = built.forbids(error.what.partition(" ")[0])
    if error.code == "IW203" and forbidden_by:
        error.why = (*error.why, f"{forbidden_by} allows wheels only")
        error.fix = (f"without {forbidden_by} it is built", *error.fix)
    return error


def _explained(
    compiled: Compiled, request: Request, uv: Uv, indexes: Indexes, arguments: list[str]
) -> ImagewrightError:
    plain = [argument for argument in arguments if not argument.startswith(("--extra=", "--all-extras", "--group="))]
    return explain_network(compiled.said, request, indexes.logins, uv.environ) or explain(
        compiled.said,
        request,
        other_wheels=lambda requirement: other_wheels(requirement, request, uv, plain, indexes.environment),
    )


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
        error.why = (*error.why, f"there already is {', '.join(named[:4])}, in the environment that wheels go into")
        error.fix = (
            *error.fix,
            "or ask for that version where it comes from: the base image's ImageSpec, or conda_packages",
        )
    return error


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
