"""What an archive of sources holds, as far as a build has to know it before it starts: its backend and its languages."""

import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import LockError

LEGACY = "setuptools.build_meta:__legacy__"
"""Builds a ``setup.py`` of a project that names no backend. Source: PEP 517, "Source trees"."""

_COMPILED = (".c", ".cc", ".cpp", ".cxx", ".pyx", ".f", ".f90", ".f95", ".rs", ".cu", ".go")
_PURE_BACKENDS = ("flit_core", "uv_build")
_MOST = 1 << 20  # bytes of a pyproject.toml


@dataclass(frozen=True, slots=True)
class Contents:
    """``folder`` is where the project is in the archive, "" for its top. ``compiled``: a compiler may be needed.

    ``name`` is what the project's own file calls it, "" where only the backend knows.
    """

    folder: str
    backend: str
    backend_path: tuple[str, ...]
    requires: tuple[str, ...]
    compiled: bool
    name: str = ""


def read_contents(archive: Path, subdirectory: str, named: str) -> Contents:
    """Look into an archive (a tar of any compression, or a zip). Nothing is unpacked. ``named`` is for error texts.

    Source: PEP 517 and 518; packaging.python.org, "Source distribution format".

    Raises:
        LockError: IW208, it is no archive, or there is no project in it.
    """
    try:
        # A tar whose last member is a wheel looks like a zip from its end; no zip looks like a tar.
        if not tarfile.is_tarfile(archive) and zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                return _read(opened.namelist(), opened.read, subdirectory, named)
        with tarfile.open(archive) as tar:
            members = {member.name.removeprefix("./"): member for member in tar if member.isfile()}

            def read(name: str) -> bytes:
                file = tar.extractfile(members[name])
                return file.read(_MOST) if file is not None else b""

            return _read(list(members), read, subdirectory, named)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        raise _not_a_project(named, f"it cannot be read as an archive: {error}") from error


def _read(names: list[str], read: Callable[[str], bytes], subdirectory: str, named: str) -> Contents:
    folder = "/".join(part for part in (_top(names), subdirectory) if part)
    prefix = f"{folder}/" if folder else ""
    here = set(names)
    if f"{prefix}pyproject.toml" not in here and f"{prefix}setup.py" not in here:
        where = f" in {subdirectory}" if subdirectory else ""
        raise _not_a_project(named, f"neither pyproject.toml nor setup.py is{where or ' there'}")
    document: dict[str, Any] = {}
    if f"{prefix}pyproject.toml" in here:
        try:
            document = tomllib.loads(read(f"{prefix}pyproject.toml").decode("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise _not_a_project(named, f"its pyproject.toml is not TOML: {error}") from error
    table = document.get("build-system", {})
    backend = str(table.get("build-backend", LEGACY))
    requires = tuple(map(str, table.get("requires", ("setuptools>=40.8.0", "wheel"))))
    compiled = not backend.startswith(_PURE_BACKENDS) and any(
        name.startswith(prefix) and name.lower().endswith(_COMPILED) for name in names
    )
    return Contents(
        folder, backend, tuple(map(str, table.get("backend-path", ()))), requires, compiled, _name(document)
    )


def _name(document: dict[str, Any]) -> str:
    table = document.get("project") or document.get("tool", {}).get("poetry") or {}
    return str(table.get("name", ""))


def _top(names: list[str]) -> str:
    """The one folder that all is in, "" when there is none."""
    tops = {name.partition("/")[0] for name in names if name.strip("/")}
    return tops.pop() if len(tops) == 1 and all("/" in name for name in names if name.strip("/")) else ""


def _not_a_project(named: str, why: str) -> LockError:
    return LockError(
        f"{named} is not a Python project that could be built",
        code="IW208",
        why=why,
        fix="name the folder that has pyproject.toml or setup.py; in an archive or a repository: #subdirectory=FOLDER",
    )
