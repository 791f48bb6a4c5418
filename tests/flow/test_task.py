"""@task: what it takes, and that a plain call is a plain call."""

import datetime
import pickle
from typing import Any

import pytest

from imagewright import ImageSpec, task
from imagewright.errors import SpecError


@task
def doubled(n: int) -> int:
    """Twice n."""
    return 2 * n


@task(container_image="ghcr.io/acme/demo:1", timeout=datetime.timedelta(minutes=1), memory="512Mi", retries=2)
def configured(a: int, *, b: str = "x") -> str:
    return b * a


def test_a_plain_call_calls_the_function() -> None:
    """With whatever Python allows, and the function's own errors."""
    assert doubled(4) == 8
    assert configured(2, b="ab") == "abab"
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        doubled()  # type: ignore[call-arg]


def test_it_looks_like_its_function() -> None:
    """Name, docstring and annotations are the function's; pools of processes find it by name."""
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Twice n.")  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(doubled)) is doubled


def test_its_template_says_what_a_container_needs() -> None:
    """Units are seconds and bytes, whatever they were given in."""
    template = configured.template

    assert template.name.endswith(":configured")
    assert (template.title, template.container_image) == ("configured", "ghcr.io/acme/demo:1")
    assert (template.timeout_seconds, template.memory_bytes, template.retries) == (60.0, 512 << 20, 2)
    assert template.where.text.startswith("@task(container_image=")


@pytest.mark.parametrize(
    ("memory", "size"),
    [(1024, 1024), ("1024", 1024), ("1k", 1000), ("1.5Gi", 3 << 29), ("2G", 2 * 10**9), ("1Ti", 1 << 40)],
)
def test_sizes_are_written_as_kubernetes_does(memory: Any, size: int) -> None:
    """Ki is 1024, k is 1000."""

    @task(memory=memory)
    def sized() -> None: ...

    assert sized.template.memory_bytes == size


@pytest.mark.parametrize(
    "arguments",
    [
        {"container_image": 3},
        {"container_image": ["python:3.11"]},
        {"container_image": "Not An Image"},
        {"container_image": ""},
        {"timeout": 0},
        {"timeout": -1.0},
        {"timeout": "1m"},
        {"timeout": True},
        {"timeout": float("nan")},
        {"memory": "lots"},
        {"memory": 0},
        {"memory": -5},
        {"memory": True},
        {"memory": 1.5},
        {"retries": -1},
        {"retries": 1.0},
        {"retries": True},
    ],
    ids=str,
)
def test_a_bad_argument_is_refused_at_once(arguments: dict[str, Any]) -> None:
    """The error shows the argument, the line, and what to write."""
    with pytest.raises(SpecError) as caught:
        task(**arguments)

    name, value = next(iter(arguments.items()))
    assert caught.value.what.startswith(f"{name}={value!r}")
    assert caught.value.fix
    assert caught.value.where is not None
    assert caught.value.where.text == "task(**arguments)"


async def asynchronous() -> None: ...


def generator() -> Any:
    yield 1


def starred(*args: int) -> None: ...


def keywords(**kwargs: int) -> None: ...


def positional(a: int, /) -> None: ...


class Callable_:
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (asynchronous, "is async"),
        (generator, "is a generator"),
        (starred, "takes *args"),
        (keywords, "takes **kwargs"),
        (positional, "takes a"),
        (Callable_(), "is for a function"),
        (Callable_, "is for a function"),
        (doubled, "is for a function"),
        (ImageSpec(), "is for a function"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_function_that_cannot_be_a_task_is_refused(function: Any, what: str) -> None:
    """Its calls could not be written down, or its result not be passed on."""
    with pytest.raises(SpecError) as caught:
        task(function)

    assert what in caught.value.what
    assert caught.value.fix
