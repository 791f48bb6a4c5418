"""The sources among a project's (or script's) requirements: ``name @ git+...``, and what ``tool.uv.sources`` names."""

from collections.abc import Iterator, Mapping
from os.path import normpath
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from imagewright.packages.pypi.project import read_project
from imagewright.packages.pypi.pylock_tags import holds
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.selection import Selection
from imagewright.packages.pypi.source import Source
from imagewright.packages.pypi.source_requirement import (
    SourceRequirement,
    git_source,
    local_source,
    source_requirement,
)
from imagewright.spec.requirements import SCRIPT, kind_of


def project_source_requirements(
    request: Request, file: Path, selection: Selection, environ: Mapping[str, str]
) -> tuple[SourceRequirement, ...]:
    """Those of the project's requirements that are sources, as far as the selection takes them and markers hold.

    Source: uv documentation, "Dependency sources".
    """
    document = read_project(file, request)
    script = kind_of(file) == SCRIPT
    project = document if script else document.get("project", {})
    tables = document.get("tool", {}).get("uv", {}).get("sources", {})
    sources = {canonicalize_name(name): table for name, table in tables.items()}
    found: dict[str, SourceRequirement] = {}
    for text in _requirements(project, document, selection):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # uv says it
        name, marker = canonicalize_name(requirement.name), str(requirement.marker or "")
        if not holds(marker, request.target, selection.extras):
            continue
        wanted = source_requirement(text, file.parent, request.directory, environ, where=request.where)
        if wanted is None and (source := _of_table(sources.get(name), file.parent, request)) is not None:
            wanted = SourceRequirement(source.called(name))
        if wanted is not None:
            extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
            found[name] = SourceRequirement(wanted.source, extras)
    return tuple(found.values())


def _requirements(project: Mapping[str, Any], document: Mapping[str, Any], selection: Selection) -> Iterator[str]:
    yield from project.get("dependencies", ())
    for name, texts in project.get("optional-dependencies", {}).items():
        if selection.all_extras or canonicalize_name(name) in map(canonicalize_name, selection.extras):
            yield from texts
    for name, items in document.get("dependency-groups", {}).items():
        if canonicalize_name(name) in map(canonicalize_name, selection.groups):
            yield from (item for item in items if isinstance(item, str))


def _of_table(table: Any, folder: Path, request: Request) -> Source | None:
    """The source that uv's table for a package says, None for an index or a wheel."""
    for one in table if isinstance(table, list) else [table]:
        if not isinstance(one, dict) or not holds(str(one.get("marker", "")), request.target):
            continue
        subdirectory = str(one.get("subdirectory", ""))
        if "git" in one:
            source = git_source(str(one["git"]))
            revision = str(one.get("rev") or one.get("tag") or one.get("branch") or source.revision)
            return Source("git", source.url, revision=revision, subdirectory=subdirectory, login_url=source.login_url)
        place = str(one.get("path") or one.get("url") or "")
        if not place or place.endswith(".whl"):
            return None
        if "url" in one:
            return Source("sdist", place, subdirectory=subdirectory)
        found = local_source(Path(normpath(folder / place)), request.directory)
        return Source(found.kind, found.url, subdirectory=subdirectory)
    return None
