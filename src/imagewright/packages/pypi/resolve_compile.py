"""uv is asked what a request needs, and again with what was built meanwhile; what it says against it is explained."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.errors import Where
from imagewright.packages.pypi.allowed import Allowed
from imagewright.packages.pypi.built import BuiltWheels
from imagewright.packages.pypi.find_links import Known, with_digests
from imagewright.packages.pypi.indexes import configure_indexes
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.project import Sources
from imagewright.packages.pypi.pylock_tags import holds
from imagewright.packages.pypi.request import Request, place
from imagewright.packages.pypi.request_extra_args import ExtraArgs
from imagewright.packages.pypi.resolve_default_index import default_index_config
from imagewright.packages.pypi.resolve_uv import Compiled, Uv, run_uv
from imagewright.packages.pypi.selection import Selection
from imagewright.packages.pypi.source import Source
from imagewright.packages.pypi.source_requirement import SourceRequirement, source_requirement

_VERSION = re.compile(r"\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?")


@dataclass(frozen=True, slots=True)
class Found:
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
class Asking:
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


def compile_wheels(
    request: Request,
    extra: ExtraArgs,
    asking: Asking,
    sources: Sources,
    *,
    allowed: Mapping[str, Allowed] | None = None,
    every_hash: str = "",
    overrides: Sequence[str] = (),
    project: Source | None = None,
) -> Found:
    """Let uv resolve the request and what is in ``sources``; what has no wheel is built, until all have one.

    Raises:
        ImagewrightError: uv found no resolution, or could not ask: what it said, explained.
    """
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
        if (line := with_wheel(text, request.directory, request, asking, place(request.where, text)))
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
    if compiled.status != 0:
        from imagewright.packages.pypi.resolve_failed import built_more, explained  # 8 ms for what is seldom wanted

        while compiled.status != 0 and built_more(compiled.said, request, asking, arguments, indexes):
            compiled = asked()
        if compiled.status != 0:
            raise explained(compiled, request, asking, indexes, arguments)
    notes = (f"pip's settings are passed on to uv: {'; '.join(indexes.notes)}",) if indexes.notes else ()
    return Found(compiled.text, compiled.directory, allowed=allowed or {}, every_hash=every_hash, notes=notes)


def with_wheel(text: str, folder: Path, request: Request, asking: Asking, where: Where | None) -> str:
    """A requirement with a wheel in place of its source, "" when its marker does not hold."""
    wanted = source_requirement(text, folder, request.directory, asking.uv.environ, where=where)
    if wanted is None:
        return text
    return asking.built.requirement(wanted, where, named=text) if holds(wanted.marker, request.target) else ""


def _preferences(present: Sequence[tuple[str, str]]) -> str:
    """A lock of these versions and of nothing else about them, which uv prefers."""
    rows = "".join(f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in _valid(present))
    return f'lock-version = "1.0"\ncreated-by = "imagewright"\n{rows}' if rows else ""


def _valid(present: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those with versions that uv can read; it would refuse the whole lock for another one."""
    return [(name, version) for name, version in present if _VERSION.fullmatch(version)]
