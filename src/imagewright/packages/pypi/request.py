"""What is to be resolved: the fields of a spec that decide it, and the target."""

from dataclasses import dataclass, field
from pathlib import Path

from imagewright.errors import SpecError, Where
from imagewright.packages.target import Target


@dataclass(frozen=True, slots=True)
class Request:
    """Requirements and where to look for them, as the user wrote them.

    ``requirements_file`` is in pip's syntax and absolute; relative paths in ``requirements`` are relative to
    ``directory``. ``index_url`` replaces the default index; ``extra_index_urls`` are asked before it, and the first
    index that has a package is the only one it may come from. ``extra_args`` are pip's (or uv's) flags in one string.
    ``image`` and ``where`` are for error texts alone.
    """

    requirements: tuple[str, ...]
    target: Target
    requirements_file: Path | None = None
    directory: Path = field(default_factory=Path)
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    extra_args: str = ""
    image: str = ""
    where: Where | None = None


def check_request(request: Request) -> None:
    """Refuse what is known to be wrong before uv is asked.

    Raises:
        SpecError: A requirement is no requirement.
        LockError: The requirements file is of a kind that is not built yet.
    """
    from imagewright.packages.pypi.requirements_file import check_kind

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
    if request.requirements_file is not None:
        check_kind(request.requirements_file, where=request.where)


def place(where: Where | None, part: str) -> Where | None:
    """``where`` with the caret under ``part``, when its line shows it."""
    if where is None or not part or part not in where.text:
        return where
    return Where(where.file, where.line, where.text, part)
