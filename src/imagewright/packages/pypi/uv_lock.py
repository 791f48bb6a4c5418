"""uv.lock (and a script's lock) as a PEP 751 lock: uv exports it, nothing is built and no index is asked."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import ImagewrightError, LockError, SpecError, redacted
from imagewright.packages.pypi.indexes_login import Logins
from imagewright.packages.pypi.request import Request, place
from imagewright.packages.pypi.resolve_errors_network import explain_network
from imagewright.packages.pypi.resolve_uv import Compiled, Uv, export_lock
from imagewright.packages.pypi.selection import Selection, uv_export_flags

_ABSENT = re.compile(r"(?:Extra|Group) `(?P<name>[^`]+)` is not defined|not have a member (?P<member>[^\s:]+)")


@dataclass(frozen=True, slots=True)
class Exported:
    """The lock as uv exports it; ``notes`` are what the user should be told."""

    compiled: Compiled
    notes: tuple[str, ...] = ()


def export(
    request: Request, uv: Uv, selection: Selection, *, script: Path | None = None, offline: bool, project: bool = False
) -> Exported:
    """The packages of the lock that the selection takes, for any environment that the lock is for. ``project``: itself too.

    The lock is compared with its pyproject.toml (uv's ``--locked``), unless that would run a build backend or needs
    another Python than the one here: then it is taken as it is, and a note says so.

    Raises:
        LockError: The lock is out of date, or is none.
        SpecError: The selection names what is not there.
    """
    assert request.requirements_file is not None
    folder = request.requirements_file.parent
    flags = [] if script else uv_export_flags(selection)
    unsure = "" if script else _asks_a_backend(folder)
    if not unsure:
        compiled = export_lock(
            uv, folder, script=script, arguments=[*flags, "--locked"], offline=offline, project=project
        )
        if compiled.status == 0:
            return Exported(compiled)
        if "incompatible with the" not in compiled.said or "Python requirement" not in compiled.said:
            raise _explained(compiled.said, request, uv, script)
        unsure = "the Python that runs imagewright is not one of the project's"
    compiled = export_lock(uv, folder, script=script, arguments=[*flags, "--frozen"], offline=offline, project=project)
    if compiled.status != 0:
        raise _explained(compiled.said, request, uv, script)
    return Exported(compiled, (f"uv.lock is taken as it is, not compared with pyproject.toml: {unsure}",))


def _asks_a_backend(folder: Path) -> str:
    """Which of the lock's own projects leaves its dependencies to its build backend, in words; "" if none does."""
    for name, project in _own_projects(folder):
        dynamic = {"dependencies", "optional-dependencies"} & set(project.get("project", {}).get("dynamic", ()))
        if dynamic or ("project" not in project and "build-system" in project):
            return f"{name} leaves its dependencies to its build backend, which is not run"
    return ""


def _own_projects(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        packages = tomllib.loads((folder / "uv.lock").read_text(encoding="utf-8")).get("package", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return  # uv says it
    for package in packages:
        source = package.get("source", {})
        path = source.get("editable") or source.get("directory") or source.get("virtual")
        if path is None:
            continue
        try:
            text = (folder / path / "pyproject.toml").read_text(encoding="utf-8")
            yield f"{path}/pyproject.toml".removeprefix("./"), tomllib.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            yield str(path), {"build-system": {}}


def _explained(raw: str, request: Request, uv: Uv, script: Path | None) -> ImagewrightError:
    file = request.requirements_file
    assert file is not None
    name, beside = (f"{script.name}.lock", script.name) if script else (file.name, "pyproject.toml")
    command = f"uv lock --script {script.name}" if script else "uv lock"
    lines = [line.strip() for line in redacted(raw).splitlines() if not line.startswith(("Using ", "Resolved "))]
    lines = [line for line in lines if line][:6]
    if absent := _ABSENT.search(raw):
        wanted = absent["name"] or absent["member"]
        return SpecError(
            f"pip_extra_args: there is no {wanted!r} in {name}", why=lines, where=place(request.where, wanted)
        )
    if "needs to be updated" in raw or "network was disabled" in raw or "No solution found" in raw:
        return LockError(f"{name} is not of what {beside} asks for now", code="IW202", fix=command, where=request.where)
    return explain_network(raw, request, Logins(), uv.environ) or LockError(
        f"{name} cannot be read", code="IW202", why=lines, fix=command, where=request.where
    )
