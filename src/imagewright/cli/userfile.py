"""The user's file: read to build its images, or to run its tasks."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from imagewright.errors import UsageError
from imagewright.flow.absent import placeholders
from imagewright.flow.load import load, root_of, tasks_of
from imagewright.spec import ImageSpec
from imagewright.spec.environment import NO_IMAGE


def read_file(file: Path) -> ModuleType:
    """The file as a module, on a machine that need not have what its tasks import: placeholders stand for that.

    ``is_container()`` is false in it. What it prints goes to stderr: stdout is for results.
    """
    os.environ["IMAGEWRIGHT_IMAGE"] = NO_IMAGE
    with talk():
        return load(file, reading=placeholders(root_of(file)))


def import_file(file: Path) -> ModuleType:
    """The file as a module whose tasks can be called in this process."""
    with talk():
        return load(file)


@contextmanager
def talk() -> Iterator[None]:
    """While the body runs, what the user's code prints goes to stderr."""
    with redirect_stdout(sys.stderr):
        yield


def specs_in(module: ModuleType) -> list[ImageSpec]:
    """The distinct images of a file, in the order of their lines: those of its tasks, and those that have a name in it.

    Raises:
        UsageError: It has none.
    """
    found: dict[ImageSpec, None] = {}
    for task in tasks_of(module).values():
        image = spec_of(task.template)
        if image is not None:
            found[image] = None
    for value in vars(module).values():
        if isinstance(value, ImageSpec):
            found[value] = None
    if not found:
        raise UsageError(
            f"{Path(module.__file__ or module.__name__).name} has no image to build",
            why="it has no ImageSpec, and no task whose image would be built",
            fix='image = ImageSpec(packages=["numpy"]), and @task(container_image=image) above a function',
        )
    return sorted(found, key=lambda spec: (spec.where.file, spec.where.line))


def spec_of(template: Any) -> ImageSpec | None:
    """The image that a task's template asks for: the default one when it names none; None for a reference."""
    image = template.container_image
    if image is None:
        return ImageSpec(where=template.where)
    return image if isinstance(image, ImageSpec) else None
