"""pyproject.toml and scripts with metadata: what uv is to read, checked against the target first."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, SpecError
from imagewright.packages.pypi.pylock import local_folder
from imagewright.packages.pypi.pylock_tags import full_version
from imagewright.packages.pypi.request import Request, place
from imagewright.packages.pypi.selection import Selection
from imagewright.packages.pypi.source import Source
from imagewright.spec.requirements import PROJECT, SCRIPT, dynamic_files, kind_of, script_block


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that ``uv pip compile`` reads, and the flags that they need. ``sdists``: they may lead to sdists."""

    files: tuple[Path, ...]
    arguments: tuple[str, ...] = ()
    sdists: bool = False


def project_sources(request: Request, file: Path, selection: Selection) -> Sources:
    """What uv reads for a pyproject.toml or a script: the file, or the requirements files that it points to.

    Raises:
        SpecError: The file says nothing of dependencies.
        LockError: It is for another Python, or only its build backend could tell its dependencies (IW204).
    """
    document = read_project(file, request)
    project = document if kind_of(file) == SCRIPT else document.get("project", {})
    check_python(str(project.get("requires-python", "")), file.name, request)
    _check_selection(selection, project, document, file.name, request)
    flags = (
        f"--project={file.parent}",
        *(f"--extra={name}" for name in selection.extras),
        *(["--all-extras"] if selection.all_extras else []),
        *(f"--group={file}:{name}" for name in selection.groups),
    )
    dynamic = {"dependencies", "optional-dependencies"} & set(project.get("dynamic", ()))
    if not dynamic:
        return Sources((file,), flags)
    if request.install_project:  # its wheel says them
        return Sources((), tuple(flag for flag in flags if not flag.startswith(("--extra", "--all-extras"))))
    files = tuple(file.parent / name for name in dynamic_files(document))
    if not files or not all(path.is_file() for path in files) or selection.extras or selection.all_extras:
        raise LockError(
            f"{file.name} leaves its {' and '.join(sorted(dynamic))} to its build backend (dynamic), "
            "which is run for install_project=True alone",
            code="IW204",
            fix=[
                "install_project=True",
                "or uv lock, and requirements='uv.lock'",
                f"or write them into {file.name}: project.dependencies",
            ],
            where=request.where,
        )
    return Sources(files, tuple(flag for flag in flags if not flag.startswith("--extra")))


def project_itself(request: Request) -> Source | None:
    """The source of the project that a requirements file is of, when it is to be installed.

    Raises:
        SpecError: There is no such project.
    """
    file = request.requirements_file
    if not request.install_project:
        return None
    if file is None or kind_of(file) == SCRIPT:
        raise SpecError(
            "install_project=True installs the project that requirements is of, and there is none",
            fix='requirements="uv.lock", "poetry.lock" or "pyproject.toml"; or packages=["./folder"]',
            where=request.where,
        )
    if not any((file.parent / name).is_file() for name in (PROJECT, "setup.py")):
        raise SpecError(
            f"install_project=True, and there is no project beside {file.name}",
            why=[f"neither {PROJECT} nor setup.py is in {file.parent}"],
            fix="leave install_project out",
            where=request.where,
        )
    return local_folder(file.parent, request.directory)


def read_project(file: Path, request: Request) -> Mapping[str, Any]:
    """The TOML of a project, or of a script's block.

    Raises:
        SpecError: It has none, or nothing in it that says what to install.
    """
    text = file.read_text(encoding="utf-8-sig")
    block = script_block(text.replace("\r\n", "\n")) if kind_of(file) == SCRIPT else text
    if block is None:
        raise SpecError(
            f"requirements={file.name!r} is a script without a block of metadata (PEP 723)",
            fix='begin it with "# /// script", "# dependencies = [...]", "# ///"; or: uv add --script FILE PACKAGE',
            where=request.where,
        )
    try:
        document = tomllib.loads(block)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{file.name} is not TOML: {error}", where=request.where) from error
    if kind_of(file) != SCRIPT and "project" not in document and "dependency-groups" not in document:
        poetry = "poetry" in document.get("tool", {})
        raise SpecError(
            f"{file.name} has no [project] table that would say what to install",
            fix="poetry lock, and requirements='poetry.lock'" if poetry else "write project.dependencies into it",
            where=request.where,
        )
    return document


def _check_selection(
    selection: Selection, project: Mapping[str, Any], document: Mapping[str, Any], name: str, request: Request
) -> None:
    known_extras = {canonicalize_name(extra) for extra in project.get("optional-dependencies", {})}
    known_groups = {canonicalize_name(group) for group in document.get("dependency-groups", {})}
    dynamic = "optional-dependencies" in project.get("dynamic", ())
    for what, wanted, known in (
        ("extra", () if dynamic else selection.extras, known_extras),
        ("dependency group", selection.groups, known_groups),
    ):
        for one in wanted:
            if canonicalize_name(one) not in known:
                raise SpecError(
                    f"pip_extra_args: {name} has no {what} {one!r}",
                    why=[f"it has {', '.join(sorted(known)) or 'none'}"],
                    where=place(request.where, one),
                )


def check_python(requires: str, name: str, request: Request) -> None:
    """Compare the target's Python with what a file wants. uv itself looks at lower bounds alone, and not for scripts.

    Raises:
        LockError: They do not fit.
    """
    try:
        fits = SpecifierSet(requires).contains(full_version(request.target), prereleases=True)
    except InvalidSpecifier:
        return  # uv, or the reader of the lock, says it better
    if not fits:
        raise LockError(
            f"{name} needs Python {requires}, and image {request.image!r} has Python {request.target.python}",
            code="IW202",
            fix="set python_version in the ImageSpec, or requires-python in the file",
            where=request.where,
        )
