"""The files that ``requirements=`` stands for."""

from __future__ import annotations

import os
import re
from pathlib import Path

from imagewright.errors import redacted
from imagewright.oci.digest import Digest, digest_of
from imagewright.spec.fields import Refused
from imagewright.spec.files import copied_files, digest_of_file, spelled, walk
from imagewright.spec.ignore import Ignores
from imagewright.spec.names import local_path, without_userinfo

PROJECT_LOCKS = ("uv.lock", "poetry.lock")
"""Locks that are read together with the pyproject.toml beside them."""

_INCLUDE = re.compile(r"\s*(?:-r|--requirement|-c|--constraint)(?:\s*=?\s*)(?P<file>\S.*?)\s*(?:\s#.*)?")
_EDITABLE = re.compile(r"\s*(?:-e|--editable)(?:\s*=?\s*)(?P<path>\S.*?)\s*(?:\s#.*)?")


def spelled_requirements(file: Path) -> list[list[object]]:
    """The contents of a requirements file, and of every file that it takes in, as plain values to be hashed.

    Each under the name that it is called by, so that the folder they lie in does not matter. Line ends do not, either.
    """
    if file.name in PROJECT_LOCKS:
        return [[file.name, _text_digest(file)], ["pyproject.toml", _text_digest(file.with_name("pyproject.toml"))]]
    found: dict[str, object] = {}
    if file.suffix == ".toml":
        return [[file.name, _text_digest(file)]]
    _follow("requirements.txt", file, found)
    return [[name, found[name]] for name in sorted(found)]


def spelled_project(folder: Path) -> list[list[object]]:
    """The files of a project that is installed itself: all that is not ignored."""
    return spelled(copied_files(sorted(walk(str(folder), Ignores(folder).ignored)), folder))


def spelled_local(field: str, path: str, folder: Path) -> object:
    """The contents of a wheel, sdist or project folder that a requirement names by its path."""
    file = folder / path
    if file.is_dir():
        return spelled_project(file)
    if not file.is_file():
        raise Refused(field, path, f"is not in {folder}", fix="build it first, or name it by its index", part=path)
    return digest_of_file(str(file))[0]


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
        path = match["path"] if match else local_path(line.partition(" #")[0]) if is_requirement else ""
        if path:
            local = spelled_local("requirements", path, file.parent)
            found[os.path.normpath(os.path.join(os.path.dirname(name), path))] = local


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
