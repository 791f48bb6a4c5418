"""Which packages of an older poetry.lock are installed: the dependencies followed from pyproject.toml."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from imagewright.errors import LockError
from imagewright.packages.pypi.poetry_constraint import allows
from imagewright.packages.pypi.pylock_tags import full_version, holds
from imagewright.packages.target import Target

_Wanted = tuple[str, str, frozenset[str]]
"""A dependency that applies to the target: its name, its constraint, the extras that are asked of it."""


def follow(
    packages: Sequence[Mapping[str, Any]],
    project: Mapping[str, Any],
    groups: Collection[str],
    extras: Collection[str],
    target: Target,
) -> list[Mapping[str, Any]]:
    """The packages that the groups need on the target, in the lock's order.

    Raises:
        LockError: The lock lacks one, so it is not of this project.
    """
    waiting = list(_roots(project, groups, extras, target))
    seen: set[_Wanted] = set()
    chosen: list[int] = []
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        name, constraint, of_it = wanted
        at = _find(packages, name, constraint, target)
        if at not in chosen:
            chosen.append(at)
        for needed, entries in packages[at].get("dependencies", {}).items():
            for entry in entries if isinstance(entries, list) else [entries]:
                waiting += _dependency(needed, entry, of_it, target)
    return [packages[at] for at in sorted(chosen)]


def _find(packages: Sequence[Mapping[str, Any]], name: str, constraint: str, target: Target) -> int:
    python = full_version(target)
    found = [
        at
        for at, package in enumerate(packages)
        if canonicalize_name(package["name"]) == name
        and allows(constraint, package["version"])
        and allows(package.get("python-versions", "*"), python)
    ]
    if not found:
        raise LockError(f"poetry.lock has no {name} {constraint} for Python {python}", code="IW202", fix="poetry lock")
    return found[0]


def _roots(
    project: Mapping[str, Any], groups: Collection[str], extras: Collection[str], target: Target
) -> Iterator[_Wanted]:
    poetry, table = project.get("tool", {}).get("poetry", {}), project.get("project", {})
    by_extra = {
        canonicalize_name(name) for extra, names in poetry.get("extras", {}).items()
        if canonicalize_name(extra) in extras for name in names
    }  # fmt: skip
    if "main" in groups:
        for name, entries in poetry.get("dependencies", {}).items():
            for entry in entries if isinstance(entries, list) else [entries]:
                optional = isinstance(entry, dict) and entry.get("optional")
                if name != "python" and (not optional or canonicalize_name(name) in by_extra):
                    yield from _dependency(name, _without_optional(entry), frozenset(extras), target)
        for text in table.get("dependencies", ()):
            yield from _requirement(text, extras, target)
        for extra, texts in table.get("optional-dependencies", {}).items():
            for text in texts if canonicalize_name(extra) in extras else ():
                yield from _requirement(text, extras, target)
    others = {name: group.get("dependencies", {}) for name, group in poetry.get("group", {}).items()}
    if "dev-dependencies" in poetry:
        others["dev"] = {**poetry["dev-dependencies"], **others.get("dev", {})}
    for group, dependencies in others.items():
        if canonicalize_name(group) in groups:
            for name, entries in dependencies.items():
                for entry in entries if isinstance(entries, list) else [entries]:
                    yield from _dependency(name, entry, frozenset(extras), target)


def _without_optional(entry: Any) -> Any:
    return {key: value for key, value in entry.items() if key != "optional"} if isinstance(entry, dict) else entry


def _dependency(name: str, entry: Any, extras: Collection[str], target: Target) -> Iterator[_Wanted]:
    """One entry of a table of dependencies, if it applies. ``extras`` are those asked of the package that has it."""
    if isinstance(entry, str):
        yield canonicalize_name(name), entry, frozenset()
        return
    if entry.get("optional") and not entry.get("markers"):
        return
    if holds(entry.get("markers", ""), target, extras) and allows(entry.get("python", "*"), full_version(target)):
        of_it = frozenset(canonicalize_name(extra) for extra in entry.get("extras", ()))
        yield canonicalize_name(name), entry.get("version", "*"), of_it


def _requirement(text: str, extras: Collection[str], target: Target) -> Iterator[_Wanted]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return  # Poetry would have refused it
    if holds(str(requirement.marker or ""), target, extras):
        of_it = frozenset(canonicalize_name(extra) for extra in requirement.extras)
        yield canonicalize_name(requirement.name), str(requirement.specifier), of_it
