"""What no field can tell by itself: whether ``requirements`` names a file that is there, and that goes with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.spec.environment import in_task_container
from imagewright.spec.refused import Refused
from imagewright.spec.requirements import PROJECT, PROJECT_LOCKS, PYLOCK, kind_of

if TYPE_CHECKING:
    from imagewright.spec.image_spec import ImageSpec


def check_together(spec: ImageSpec) -> None:
    """See that ``requirements`` can be read. A task container has none of the files, and needs none.

    Raises:
        Refused: It is not there, or has no place for ``packages``.
    """
    if spec.requirements is None:
        return
    file = spec.directory / spec.requirements
    kind = kind_of(file)
    if kind in (*PROJECT_LOCKS, PYLOCK) and spec.packages:
        raise Refused(
            "packages",
            list(spec.packages),
            f"cannot be added to {file.name}, which says all that is installed",
            fix="add them to pyproject.toml and lock again",
            part=spec.packages[0],
        )
    if in_task_container():
        return
    for needed in (file, file.with_name(PROJECT) if kind in PROJECT_LOCKS else file):
        if not needed.is_file():
            raise Refused(
                "requirements",
                spec.requirements,
                f"needs the file {needed.name}, which is not in {needed.parent}",
                fix=f"write it, or its path from {spec.directory} (paths start at the file that makes the spec)",
                part=spec.requirements,
            )
