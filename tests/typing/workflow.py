"""Only type-checked: what a type checker makes of tasks and workflows. Each ignored line is an error that it must find."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, assert_type

from imagewright import ImageSpec, task, workflow
from imagewright.flow.graph import Graph
from imagewright.flow.task import Task
from imagewright.flow.workflow import Workflow

image = ImageSpec("demo", packages=["numpy"])


class Summary(NamedTuple):
    rows: int
    text: str


@task
def bare(n: int) -> list[int]:
    return [n]


@task()
def empty(n: int) -> None: ...


@task(container_image=image, timeout=timedelta(seconds=5), memory="512Mi", retries=1)
def total(n: int, *, factor: float = 1.0) -> float:
    return n * factor


@task(container_image="python:3.11")
def summary(n: int) -> Summary:
    return Summary(n, str(n))


@task
def pair(n: int) -> tuple[int, str]:
    return n, str(n)


@workflow
def main(n: int = 4) -> tuple[float, str]:
    """A result is what its function says, so it fits where the next function says the same."""
    assert_type(bare(n), list[int])
    assert_type(total(n=n), float)
    assert_type(summary(n).text, str)
    number, text = pair(n)
    assert_type(number, int)
    assert_type(text, str)
    total(text)  # type: ignore[arg-type]
    total(n, 2.0)  # type: ignore[call-arg]
    total(m=n)  # type: ignore[call-arg]
    return total(number, factor=2), text


assert_type(main(3), tuple[float, str])
assert_type(main.graph, Graph)
assert_type(bare.function(3), list[int])
callback: Callable[[int], list[int]] = bare
as_task: Task[..., Any] = total
as_workflow: Workflow[..., Any] = main

main("3")  # type: ignore[arg-type]
task(container_image=3)  # type: ignore[call-overload]
task(retires=3)  # type: ignore[call-overload]
