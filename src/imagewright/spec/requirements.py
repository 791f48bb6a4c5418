"""The files that ``requirements=`` and ``pip_extra_args=`` stand for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imagewright.errors import redacted
from imagewright.oci.digest import Digest, digest_of
from imagewright.spec.fields import Refused
from imagewright.spec.files import Copied, copied_files, digest_of_file, spelled, walk
from imagewright.spec.ignore import Ignores
from imagewright.spec.names import local_path, without_userinfo

PROJECT_LOCKS = ("uv.lock", "poetry.lock")
"""Locks that are read together with the pyproject.toml beside them."""

LOCKS = "imagewright.lock"
"""The folder of imagewright's own lock files."""

PYLOCK, PROJECT, SCRIPT, LINES = "pylock.toml", "pyproject.toml", "script", "requirements.txt"
"""The other kinds of files: PEP 751, PEP 621, PEP 723, and pip's lines."""

_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
_SCRIPT = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_INCLUDE = re.compile(r"\s*(?:-r|--requirement|-c|--constraint)(?:\s*=?\s*)(?P<file>\S.*?)\s*(?:\s#.*)?")
_EDITABLE = re.compile(r"\s*(?:-e|--editable)(?:\s*=?\s*)(?P<path>\S.*?)\s*(?:\s#.*)?")
_LOCKED_FOLDER = {
    "uv.lock": re.compile(r'(?m)^source = \{ (?:editable|directory) = "(?P<path>[^"]+)" \}$'),
    "poetry.lock": re.compile(r'(?m)^\[package\.source\]\ntype = "directory"\nurl = "(?P<path>[^"]+)"$'),
    PYLOCK: re.compile(r'(?m)(?:^directory = \{ ?|^\[packages\.directory\]\n)path = "(?P<path>[^"]+)"'),
}
_FILE_FLAGS = ("--constraint", "--constraints", "--override", "--overrides")
_OPTIONS = re.compile(r"\s--|\s#")


def kind_of(file: Path) -> str:
    """Which kind of file it is, by its name: one of `PROJECT_LOCKS`, or of the four others.

    Source: packaging.python.org, "pylock.toml Specification", "File Name", for ``pylock.NAME.toml``.
    """
    if file.name in PROJECT_LOCKS:
        return file.name
    if _PYLOCK.fullmatch(file.name):
        return PYLOCK
    if file.name == PROJECT:
        return PROJECT
    return SCRIPT if file.suffix == ".py" else LINES


def script_block(text: str) -> str | None:
    """The metadata that a script carries in its comments, as TOML, or None without any.

    Source: packaging.python.org, "Inline script metadata" (PEP 723), the regular expression of its reference.
    """
    match = _SCRIPT.search(text + "\n")
    if match is None:
        return None
    return "".join(line[2:] if line.startswith("# ") else line[1:] for line in match["content"].splitlines(True))


def spelled_requirements(file: Path) -> list[list[object]]:
    """The contents of a requirements file, and of every file that it takes in, as plain values to be hashed.

    Each under the name that it is called by, so that the folder they lie in does not matter. Line ends do not, either.
    Of a script only its metadata counts. Of what a lock names by its path folders are read, which are built; for files it has
    the digest in it.
    """
    kind = kind_of(file)
    if kind in PROJECT_LOCKS:
        named: list[list[object]] = [[kind, _text_digest(file)], [PROJECT, _text_digest(file.with_name(PROJECT))]]
        return named + [[path, spelled_project(file.parent / path)] for path in _locked_folders(file, kind)]
    found: dict[str, object] = {}
    if kind == PYLOCK:
        found[PYLOCK] = _text_digest(file)
        found.update((path, spelled_project(file.parent / path)) for path in _locked_folders(file, kind))
    elif kind == PROJECT:
        found[PROJECT] = _text_digest(file)
        _follow_project(_parsed(file, _read(file)), file.parent, found)
    elif kind == SCRIPT:
        block = script_block(_read(file)) or ""
        found[SCRIPT] = digest_of(without_userinfo(block).encode())
        lock = file.with_name(file.name + ".lock")
        if lock.is_file():
            found["script.lock"] = _text_digest(lock)
        _follow_project({"project": _parsed(file, block)}, file.parent, found)
    else:
        _follow(LINES, file, found)
    return [[name, found[name]] for name in sorted(found)]


def spelled_extra_files(text: str, folder: Path) -> list[list[object]]:
    """The contents of the constraints and overrides that ``pip_extra_args`` names. What is missing is left to uv to say."""
    import shlex

    try:
        words = shlex.split(text)
    except ValueError:  # which the builder will say
        words = []
    named = [word[2:] for word in words if word.startswith("-c") and len(word) > 2]
    named += [word.partition("=")[2] for word in words if word.partition("=")[0] in _FILE_FLAGS]
    named += [value for flag, value in zip(words, words[1:]) if flag in ("-c", *_FILE_FLAGS)]
    found: dict[str, object] = {}
    for path in filter(None, named):
        if (folder / path).is_file():
            _follow(os.path.basename(path) if os.path.isabs(path) else os.path.normpath(path), folder / path, found)
    return [[name, found[name]] for name in sorted(found)]


def project_files(folder: Path) -> list[Copied]:
    """The files of a project that is built: all that is not ignored, but for imagewright's own lock files."""
    ignores = Ignores(folder)

    def left_out(path: str, is_folder: bool) -> bool:
        return path == LOCKS or ignores.ignored(path, is_folder)

    return copied_files(sorted(walk(str(folder), left_out)), folder)


def spelled_project(folder: Path) -> list[list[object]]:
    """The files of a project that is installed itself, to be hashed."""
    return spelled(project_files(folder))


def spelled_local(field: str, path: str, folder: Path) -> object:
    """The contents of a wheel, sdist or project folder that a requirement names by its path."""
    file = folder / path
    if file.is_dir():
        return spelled_project(file)
    if not file.is_file():
        raise Refused(field, path, f"is not in {folder}", fix="build it first, or name it by its index", part=path)
    return digest_of_file(str(file))[0]


def _locked_folders(file: Path, kind: str) -> list[str]:
    """The folders of projects that a lock names, but for the one that it lies in.

    Read by their form, which tools write: to parse a lock of 200 packages takes 20 ms, and each command asks.
    """
    found = {match["path"] for match in _LOCKED_FOLDER[kind].finditer(_read(file))}
    return sorted(path for path in map(os.path.normpath, found) if path != "." and (file.parent / path).is_dir())


def _follow(name: str, file: Path, found: dict[str, object]) -> None:
    if name in found:
        return
    found[name] = _text_digest(file)
    for line in _logical_lines(file):
        match = _INCLUDE.fullmatch(line)
        if match and "://" not in match["file"]:
            included = file.parent / match["file"]
            if not included.is_file():
                raise Refused("requirements", file.name, f"takes in {match['file']}, which is not there", fix="add it")
            _follow(os.path.normpath(os.path.join(os.path.dirname(name), match["file"])), included, found)
            continue
        match = _EDITABLE.fullmatch(line)
        is_requirement = not line.lstrip().startswith(("#", "-"))
        path = match["path"] if match else local_path(_OPTIONS.split(line, maxsplit=1)[0]) if is_requirement else ""
        if path:
            local = spelled_local("requirements", path, file.parent)
            found[os.path.normpath(os.path.join(os.path.dirname(name), path))] = local


def _follow_project(document: Mapping[str, Any], folder: Path, found: dict[str, object]) -> None:
    """The local files that pyproject.toml installs, or reads its dependencies from. What is missing is left to uv."""
    for path in sorted(set(_local_paths(document))):
        if os.path.exists(folder / path):
            found[os.path.normpath(path)] = spelled_local("requirements", path, folder)
    for path in dynamic_files(document):
        if os.path.isfile(folder / path):
            _follow(os.path.normpath(path), folder / path, found)


def dynamic_files(document: Mapping[str, Any]) -> list[str]:
    """The requirements files that setuptools takes a project's dependencies from.

    Source: setuptools documentation, "Dynamic Metadata".
    """
    table = _table(document, "tool", "setuptools", "dynamic", "dependencies")
    files = table.get("file", ())
    return [files] if isinstance(files, str) else [name for name in files if isinstance(name, str)]


def _local_paths(document: Mapping[str, Any]) -> Iterator[str]:
    project = _table(document, "project")
    lists = [
        project.get("dependencies", ()),
        *_table(project, "optional-dependencies").values(),
        *_table(document, "dependency-groups").values(),
    ]
    for requirement in (item for items in lists if isinstance(items, list) for item in items):
        if isinstance(requirement, str) and (path := local_path(requirement)):
            yield path
    for sources in (_table(document, "tool", "uv", "sources"), _table(project, "tool", "uv", "sources")):
        for source in sources.values():
            for one in source if isinstance(source, list) else [source]:
                if isinstance(one, dict) and isinstance(one.get("path"), str):
                    yield one["path"]


def _table(document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        inner = document.get(name)
        document = inner if isinstance(inner, dict) else {}
    return document


def _parsed(file: Path, text: str) -> Mapping[str, Any]:
    import tomllib  # Python 3.11: a task container, which may be older, never asks what an image is made of

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused("requirements", file.name, f"is not TOML: {error}", fix="correct it") from None


def _logical_lines(file: Path) -> list[str]:
    return _read(file).replace("\\\n", " ").split("\n")


def _text_digest(file: Path) -> Digest:
    return digest_of(without_userinfo(_read(file)).encode())


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").rstrip()
    except OSError as error:
        raise Refused(
            "requirements", file.name, f"cannot be read: {redacted(str(error))}", fix="put it there"
        ) from None
    except UnicodeDecodeError:
        raise Refused("requirements", file.name, "is not UTF-8 text", fix="save it as UTF-8") from None
