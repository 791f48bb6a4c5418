"""poetry.lock: which packages of it the target gets, read without Poetry.

A lock of Poetry 2 says for each package in which groups and under which markers it is installed. An older one does not:
there the dependencies are followed from pyproject.toml. Only the versions and the files' hashes are the lock's; the
index says where the files are.

Source: Poetry 2.5, ``poetry/packages/locker.py``.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, SpecError
from imagewright.oci.digest import Digest
from imagewright.packages.pypi.allowed import Allowed
from imagewright.packages.pypi.poetry_constraint import allows
from imagewright.packages.pypi.poetry_follow import follow
from imagewright.packages.pypi.pylock import local_folder, without_userinfo
from imagewright.packages.pypi.pylock_tags import full_version, holds
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.requirements_file import from_source
from imagewright.packages.pypi.selection import Selection
from imagewright.packages.pypi.source import Source

_LEGACY = ("dependencies", "source", "extras", "dev-dependencies")


@dataclass(frozen=True, slots=True)
class Pins:
    """What a lock pins: requirements with exact versions, the index of those that name one, and the files allowed.

    ``sources`` are the packages that no index has.
    """

    requirements: tuple[str, ...]
    indexes: Mapping[str, tuple[str, str]]
    allowed: Mapping[str, Allowed]
    sources: tuple[Source, ...] = ()

    def as_project(self) -> dict[str, Any]:
        """A pyproject.toml of it, in which uv finds each package's index."""
        names = dict(self.indexes.values())
        return {
            "project": {"name": "locked-by-poetry", "version": "0", "dependencies": list(self.requirements)},
            "tool": {
                "uv": {
                    "index": [{"name": name, "url": url, "explicit": True} for name, url in sorted(names.items())],
                    "sources": {package: {"index": name} for package, (name, _) in sorted(self.indexes.items())},
                }
            },
        }


def read_poetry_lock(request: Request, selection: Selection) -> Pins:
    """The packages of the lock for the target: the main group, and what ``selection`` adds.

    Raises:
        LockError: It is out of date, for another Python, or names what has to be built.
        SpecError: The selection names a group or an extra that is not there.
    """
    file = request.requirements_file
    assert file is not None
    lock, project = _read(file, request), _read(file.with_name("pyproject.toml"), request)
    try:
        return _pins_in(lock, project, file.parent, selection, request)
    except (KeyError, TypeError, AttributeError) as error:  # a value is missing, or of another kind
        raise LockError(
            "poetry.lock is not a lock of Poetry's",
            code="IW202",
            why=f"{type(error).__name__}: {error}",
            fix="poetry lock",
            where=request.where,
        ) from error


def _pins_in(
    lock: Mapping[str, Any], project: Mapping[str, Any], folder: Path, selection: Selection, request: Request
) -> Pins:
    metadata = lock.get("metadata", {})
    _check_fresh(metadata, project, request)
    if not allows(metadata.get("python-versions", "*"), full_version(request.target)):
        raise LockError(
            f"poetry.lock is for Python {metadata['python-versions']}, and image {request.image!r} has Python "
            f"{request.target.python}",
            code="IW202",
            fix="set python_version in the ImageSpec, or python in pyproject.toml and lock again",
            where=request.where,
        )
    packages = lock.get("package", [])
    groups = _groups(project, packages, selection, request)
    extras = _extras(lock, selection, request)
    old = not all("groups" in package for package in packages)
    if old:
        chosen = follow(packages, project, groups, extras, request.target)
    else:
        chosen = [package for package in packages if _wanted(package, groups, extras, request)]
    if selection.without_directories:
        chosen = [package for package in chosen if package.get("source", {}).get("type") != "directory"]
    return _pins(chosen, metadata.get("files", {}), folder, request)


def _read(file: Path, request: Request) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LockError(
            f"{file.name} cannot be read: {error}", code="IW202", fix="poetry lock", where=request.where
        ) from error


def _check_fresh(metadata: Mapping[str, Any], project: Mapping[str, Any], request: Request) -> None:
    known = metadata.get("content-hash")
    # Before Poetry 2.3 the dependency groups were not part of it.
    if known and known not in {content_hash(project, with_groups=with_groups) for with_groups in (True, False)}:
        raise LockError(
            "poetry.lock is not of what pyproject.toml asks for now",
            code="IW202",
            fix="poetry lock",
            where=request.where,
        )


def content_hash(project: Mapping[str, Any], *, with_groups: bool) -> str:
    """The hash by which Poetry knows that a lock is of a pyproject.toml. Source: Poetry's ``Locker._get_content_hash``."""
    table, poetry = project.get("project", {}), project.get("tool", {}).get("poetry", {})
    groups = project.get("dependency-groups", {}) if with_groups else {}
    keys = ("requires-python", "dependencies", "optional-dependencies")
    relevant = {key: table[key] for key in keys if table.get(key) is not None}
    own = {
        key: poetry.get(key)
        for key in (*_LEGACY, "group")
        if poetry.get(key) is not None or (key in _LEGACY and not relevant and not groups)
    }
    content: dict[str, Any] = own
    if relevant or groups:
        content = {
            **({"project": relevant} if relevant else {}),
            **({"dependency-groups": groups} if groups else {}),
            "tool": {"poetry": own},
        }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _groups(
    project: Mapping[str, Any], packages: Iterable[Mapping[str, Any]], selection: Selection, request: Request
) -> frozenset[str]:
    """The groups to install: main alone unless ``selection`` says more, as this is an image and no workplace."""
    poetry = project.get("tool", {}).get("poetry", {})
    known = {"main", *poetry.get("group", {}), *project.get("dependency-groups", {})}
    known |= {"dev"} if "dev-dependencies" in poetry else set()
    known |= {group for package in packages for group in package.get("groups", ())}
    named = {*selection.groups, *selection.without_groups, *selection.only_groups}
    if unknown := sorted({canonicalize_name(name) for name in named} - {canonicalize_name(name) for name in known}):
        raise SpecError(f"pip_extra_args: pyproject.toml has no group {unknown[0]!r}", where=request.where)
    if selection.only_groups:
        wanted = set(selection.only_groups)
    else:
        wanted = known if selection.all_groups else {"main", *selection.groups}
    return frozenset(canonicalize_name(name) for name in wanted - set(selection.without_groups))


def _extras(lock: Mapping[str, Any], selection: Selection, request: Request) -> frozenset[str]:
    known = {canonicalize_name(name) for name in lock.get("extras", {})}
    wanted = known if selection.all_extras else {canonicalize_name(name) for name in selection.extras}
    if unknown := sorted(wanted - known):
        raise SpecError(f"pip_extra_args: poetry.lock has no extra {unknown[0]!r}", where=request.where)
    return frozenset(wanted)


def _wanted(package: Mapping[str, Any], groups: frozenset[str], extras: frozenset[str], request: Request) -> bool:
    markers = package.get("markers", "")
    for group in package["groups"]:
        if canonicalize_name(group) not in groups:
            continue
        text = markers.get(group, "") if isinstance(markers, dict) else markers
        if holds(text, request.target, extras):
            return True
    return False


def _pins(packages: Iterable[Mapping[str, Any]], old_files: Mapping[str, Any], folder: Path, request: Request) -> Pins:
    requirements, indexes, sources = [], {}, list[Source]()
    allowed: dict[str, Allowed] = {}
    for package in packages:
        name, version, source = package["name"], package["version"], package.get("source", {})
        kind, url = source.get("type", ""), source.get("url", "")
        if kind == "legacy":
            requirements.append(f"{name}=={version}")
            indexes[name] = (source.get("reference") or "index", url)
        elif kind in ("url", "file") and url.partition("#")[0].endswith(".whl"):
            requirements.append(f"{name} @ {url if kind == 'url' else (folder / url).resolve().as_uri()}")
        elif kind:
            sources.append(_source(package, folder, request).called(canonicalize_name(name), version))
            continue
        else:
            requirements.append(f"{name}=={version}")
        files = package.get("files") or old_files.get(name, ())
        digests = frozenset(Digest(file["hash"]) for file in files if file.get("hash", "").startswith("sha256:"))
        if digests:
            allowed[canonicalize_name(name)] = Allowed(digests, "poetry.lock allows", request.where)
    return Pins(tuple(requirements), indexes, allowed, tuple(sources))


def _source(package: Mapping[str, Any], folder: Path, request: Request) -> Source:
    """What Poetry locked that has no wheel of an index. Source: Poetry's ``Locker._get_locked_package``."""
    source = package["source"]
    url, subdirectory = source.get("url", ""), source.get("subdirectory", "")
    match source["type"]:
        case "git":
            asked, commit = source.get("reference", ""), source.get("resolved_reference", "")
            return Source("git", without_userinfo(url), revision=asked, commit=commit, subdirectory=subdirectory)
        case "directory":
            return local_folder(folder / url, request.directory, subdirectory)
        case "file":
            return Source("sdist", (folder / url).resolve().as_uri())
        case "url":
            return Source("sdist", without_userinfo(url), subdirectory=subdirectory)
        case kind:
            raise from_source(package["name"], f"a {kind} repository", where=request.where)
