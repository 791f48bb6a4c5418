"""What is to be resolved: the fields of a spec that decide it, and the target."""

from dataclasses import field
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, SpecError, Where
from imagewright.packages.pypi.requirements_file import check_sources, from_source, source_in
from imagewright.packages.target import Target
from imagewright.spec.requirements import LINES, kind_of


@dataclass(frozen=True, slots=True)
class Request:
    """Requirements and where to look for them, as the user wrote them.

    ``requirements_file`` is absolute, and any of the kinds that `kind_of` tells apart by name; relative paths in ``requirements`` are relative to
    ``directory``. ``index_url`` replaces the default index; ``extra_index_urls`` are asked before it, and the first
    index that has a package is the only one it may come from. ``extra_args`` are pip's (or uv's) flags in one string.
    ``install_project``: the project that the requirements file is of is installed itself.
    ``constraints`` hold for whatever is installed, without asking for it. ``image`` and ``where`` are for error texts alone.
    """

    requirements: tuple[str, ...]
    target: Target
    requirements_file: Path | None = None
    directory: Path = field(default_factory=Path)
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    extra_args: str = ""
    constraints: tuple[str, ...] = ()
    install_project: bool = False
    image: str = ""
    where: Where | None = None

    @property
    def kind(self) -> str:
        """The kind of the requirements file, "" without one."""
        return kind_of(self.requirements_file) if self.requirements_file is not None else ""


def check_request(request: Request, *, builds: bool = False, forbidden_by: str = "") -> None:
    """Refuse what is known to be wrong before uv is asked. ``builds``: sources can be built.

    Raises:
        SpecError: A requirement is no requirement.
        LockError: Something would have to be built from source, or the file is of a kind that is not known.
    """
    for requirement in request.requirements:
        if requirement.lstrip().startswith("-"):
            raise SpecError(
                f"packages: {requirement!r} is an option, not a requirement",
                fix=f'write pip_extra_args="{requirement.strip()}", or put it into a requirements file',
                where=place(request.where, requirement),
            )
        if not requirement.strip() or "\n" in requirement or "\r" in requirement:
            raise SpecError(
                f"packages: {requirement!r} is not a requirement",
                fix='write one requirement in each entry, as "numpy==1.26.4"',
                where=place(request.where, requirement),
            )
        if not builds and (source := source_in(requirement)):
            where = place(request.where, requirement)
            raise from_source(f"packages: {requirement!r}", source, where=where, by=forbidden_by)
    if request.requirements_file is not None:
        _check_file(request.requirements_file, request.where)
        if not builds:
            check_sources(request.requirements_file, forbidden_by)


_INSTEAD = {
    "pixi.lock": 'what pixi.toml asks for: conda_packages=["..."], packages=["..."]; imagewright lock pins both',
    "pixi.toml": 'what it asks for: conda_packages=["..."], packages=["..."]; imagewright lock pins both',
    "Pipfile.lock": "pipenv requirements > requirements.txt",
    ".yml": "conda_packages for conda; export it as requirements.txt",
    ".yaml": "conda_packages for conda; export it as requirements.txt",
}


def _check_file(path: Path, where: Where | None) -> None:
    if not path.is_file():
        raise SpecError(f"requirements: there is no file {path}", fix="correct the path", where=where)
    if kind_of(path) != LINES:
        return
    if path.suffix in (".toml", ".lock", ".cfg", ".yml", ".yaml", ".json"):
        raise LockError(
            f"requirements={path.name!r} is a kind of file that imagewright does not know",
            code="IW204",
            why="known: uv.lock, poetry.lock, pylock.toml, pyproject.toml, scripts (.py) and lines of pip's (any .txt or .in)",
            fix=_INSTEAD.get(path.name) or _INSTEAD.get(path.suffix) or "export it as requirements.txt",
            where=where,
        )


def place(where: Where | None, part: str) -> Where | None:
    """``where`` with the caret under ``part``, when its line shows it."""
    if where is None or not part or part not in where.text:
        return where
    return Where(where.file, where.line, where.text, part)
