"""Tasks in this process."""

import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from imagewright import task, workflow
from imagewright.errors import TaskError
from imagewright.events import Event, Noted, nobody
from imagewright.flow.workflow import Workflow
from imagewright.runners.inprocess import InProcessRunner
from imagewright.runners.protocol import Runner, Setup
from imagewright.runners.schedule import run


@task
def same(value: Any) -> Any:
    return value


@task
def talks() -> int:
    sys.stdout.write("to stdout\n")
    sys.stderr.write("to stderr\n")
    return 1


@task(memory="1Gi", timeout=5)
def limited() -> int:
    return 1


@task
def fails(n: int) -> float:
    return 1 / n


@task
def exits() -> None:
    sys.exit("enough")


@task
def needs_a_package() -> None:
    import absent_package.part  # type: ignore[import-not-found]  # noqa: F401


@task
def needs_a_part() -> None:
    import json.absent  # type: ignore[import-not-found]  # noqa: F401


def go(flow: Workflow[Any, Any], tmp_path: Path, listen: Any = nobody, **inputs: Any) -> Any:
    runner: Runner = InProcessRunner(Setup(cache=tmp_path, work=tmp_path, tasks=flow.graph.tasks))
    return run(flow.graph, inputs, runner, listen, root=tmp_path, file=PurePosixPath("app.py"))


def flow_of(called: Any, *args: Any) -> Workflow[Any, Any]:
    @workflow
    def flow() -> Any:
        return called(*args)

    return flow


def test_values_are_passed_as_they_are(tmp_path: Path) -> None:
    """The very objects, also ones that could not be written down."""

    @workflow
    def twice(value: Any) -> Any:
        return same(same(value))

    value = lambda: 1  # noqa: E731

    assert go(twice, tmp_path, value=value) is value


def test_stdout_is_for_the_result(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What tasks print goes to stderr."""
    assert go(flow_of(talks), tmp_path) == 1

    assert capfd.readouterr() == ("", "to stdout\nto stderr\n")


def test_limits_that_are_not_kept_are_said_once(tmp_path: Path) -> None:
    """However often the task is called."""

    @workflow
    def several() -> Any:
        return [limited(), limited()]

    told: list[Event] = []
    go(several, tmp_path, told.append)

    assert [event.text for event in told if isinstance(event, Noted)] == [
        "task 'limited' runs here without its limits of time and memory; run --container keeps them"
    ]


@pytest.mark.parametrize(
    ("called", "what"),
    [
        (lambda: fails(0), "task 'fails' raised ZeroDivisionError: division by zero"),
        (exits, "task 'exits' raised SystemExit: enough"),
        (needs_a_part, "task 'needs_a_part' raised ModuleNotFoundError: No module named 'json.absent'"),
    ],
)
def test_a_failure_is_told_as_from_a_container(tmp_path: Path, called: Any, what: str) -> None:
    """With the task's own traceback, and the line in the task's file."""
    with pytest.raises(TaskError) as caught:
        go(flow_of(called), tmp_path)

    assert (caught.value.code, caught.value.what) == ("IW310", what)
    assert caught.value.traceback.count("File ") == 1 or "json" in caught.value.traceback
    assert "imagewright/runners" not in caught.value.traceback
    assert caught.value.where is not None
    assert caught.value.where.file == __file__


def test_an_absent_package_is_told_with_both_ways_out(tmp_path: Path) -> None:
    """Run it where the package is, or install it here."""
    with pytest.raises(TaskError) as caught:
        go(flow_of(needs_a_package), tmp_path)

    assert caught.value.code == "IW110"
    assert (
        caught.value.what == "task 'needs_a_package' needs absent_package, which is not installed in this environment"
    )
    assert caught.value.fix == (
        "run it inside its image: imagewright run --container app.py",
        "install it here: uv pip install absent_package",
    )
    assert caught.value.where is not None
    assert caught.value.where.text.startswith("import absent_package.part")


def test_an_interrupt_is_no_failure_of_the_task(tmp_path: Path) -> None:
    """It ends the run."""

    @task
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(flow_of(interrupted), tmp_path)
