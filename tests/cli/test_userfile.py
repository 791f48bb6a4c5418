"""Which images a file names."""

from pathlib import Path
from types import ModuleType

import pytest

from imagewright import ImageSpec, task
from imagewright.cli.userfile import specs_in
from imagewright.errors import UsageError


def module(**names: object) -> ModuleType:
    made = ModuleType("app")
    made.__file__ = str(Path("app.py").absolute())
    vars(made).update(names)
    return made


def test_images_of_tasks_and_images_with_a_name_are_found_once() -> None:
    """In the order of their lines, however often they are used."""
    first = ImageSpec(name="first", packages=["numpy"])
    second = ImageSpec(name="second")

    @task(container_image=first)
    def one() -> int:
        return 1

    @task(container_image=first)
    def two() -> int:
        return 2

    assert specs_in(module(two=two, second=second, one=one, first=first)) == [first, second]


def test_a_task_without_an_image_has_the_default_one() -> None:
    """A task that names none runs in the default image, so that is built."""

    @task
    def one() -> int:
        return 1

    (spec,) = specs_in(module(one=one))

    assert spec == ImageSpec()


def test_a_task_in_an_image_by_reference_has_nothing_to_build() -> None:
    """Somebody else built it."""

    @task(container_image="ghcr.example.com/acme/train:v1")
    def one() -> int:
        return 1

    with pytest.raises(UsageError, match="has no image to build"):
        specs_in(module(one=one))
