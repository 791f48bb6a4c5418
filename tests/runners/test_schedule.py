"""A graph's calls run when what they need is there, and stop when they should."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from imagewright import ImageSpec, task, workflow
from imagewright.errors import RunnerError, TaskError
from imagewright.events import Event, Listener, TaskEnded, TaskStarted, nobody
from imagewright.flow.graph import ContainerImage
from imagewright.flow.workflow import Workflow
from imagewright.runners.protocol import Runner, TaskCall, TaskResult
from imagewright.runners.schedule import Placement, run

IMAGE = ImageSpec(name="demo")


class Functions:
    """A runner that calls one function for every call, on as many threads as it is asked to."""

    def __init__(self, work: Callable[[TaskCall], Any], jobs: int = 4) -> None:
        self._work = work
        self.jobs = jobs
        self.stopped = threading.Event()
        self.calls: list[TaskCall] = []

    def run(self, call: TaskCall, listen: Listener) -> TaskResult:
        self.calls.append(call)
        return TaskResult(self._work(call))

    def stop(self) -> None:
        self.stopped.set()


@task
def add(a: int, b: int = 0) -> int:
    return a + b


@task(container_image=IMAGE, timeout=2, memory=1024, retries=2)
def careful(a: int) -> tuple[int, int]:
    return a, a


@workflow
def diamond(n: int) -> Any:
    top = add(n, 1)
    left, right = add(top, 10), add(top, 20)
    return add(left, right)


def go(flow: Workflow[Any, Any], runner: Runner, listen: Listener = nobody, **inputs: Any) -> Any:
    return run(flow.graph, inputs, runner, listen, root=Path("/code"), file=PurePosixPath("app.py"), placed=placed)


def placed(image: ContainerImage) -> Placement:
    if isinstance(image, ImageSpec):
        return Placement(image.name, "demo@sha256:0", image.declared)
    return Placement()


def added(call: TaskCall) -> Any:
    return call.arguments["a"] + call.arguments["b"]


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_results_flow_along_the_graph(jobs: int) -> None:
    """Whatever number of calls runs at once."""
    assert go(diamond, Functions(added, jobs), n=1) == 2 + 10 + 2 + 20


def test_calls_that_do_not_need_each_other_run_at_once() -> None:
    """Each of the two waits for the other to have begun."""
    together = threading.Barrier(2, timeout=30)

    def work(call: TaskCall) -> Any:
        if call.name in ("add-2", "add-3"):
            together.wait()
        return added(call)

    assert go(diamond, Functions(work, jobs=2), n=1) == 34


def test_no_more_than_the_runners_jobs() -> None:
    """A bound that holds at every moment, and is reached: three wait for each other, a fourth would be seen."""
    lock, running, most = threading.Lock(), [0], [0]
    together = threading.Barrier(3, timeout=30)

    def work(call: TaskCall) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        together.wait()
        with lock:
            running[0] -= 1
        return 0

    @workflow
    def wide() -> Any:
        return [add(i) for i in range(12)]

    go(wide, Functions(work, jobs=3))

    assert most == [3]


def test_one_job_runs_on_the_callers_thread() -> None:
    """Signals, and whatever else belongs to the main thread, work in tasks that run in this process."""
    threads: list[threading.Thread] = []

    def work(call: TaskCall) -> int:
        threads.append(threading.current_thread())
        return 0

    go(diamond, Functions(work, jobs=1), n=1)

    assert set(threads) == {threading.current_thread()}


def test_a_call_has_names_and_plain_values() -> None:
    """All that a container needs, and whatever image it was placed in."""

    @workflow
    def one(n: int) -> Any:
        return careful(n)[1]

    runner = Functions(lambda call: (7, 8))

    assert go(one, runner, n=5) == 8
    call = runner.calls[0]
    assert (call.name, call.task, call.title) == ("careful", f"{__name__}:careful", "careful")
    assert (call.root, call.file, call.arguments) == (Path("/code"), PurePosixPath("app.py"), {"a": 5})
    assert (call.image, call.declared) == ("demo@sha256:0", IMAGE.declared)
    assert (call.timeout_seconds, call.memory_bytes) == (2.0, 1024)
    assert call.where is not None
    assert call.where.file == __file__


def test_a_start_and_an_end_are_told() -> None:
    """For every call, and in the order of what happened."""
    told: list[Event] = []

    go(diamond, Functions(added, jobs=1), told.append, n=1)

    assert [type(event) for event in told] == [TaskStarted, TaskEnded] * 4
    assert told[0] == TaskStarted("add", "add", "")
    assert isinstance(told[3], TaskEnded)
    assert (told[3].call, told[3].task, told[3].outcome) == ("add-2", "add", "succeeded")


def test_the_first_failure_stops_what_has_not_begun() -> None:
    """What runs already ends; then the failure is raised."""
    failed = threading.Event()

    def work(call: TaskCall) -> int:
        if call.name == "add":
            failed.set()
            raise TaskError("no")
        assert failed.wait(30)
        return 0

    @workflow
    def wide() -> Any:
        return [add(i) for i in range(6)]

    told: list[Event] = []
    runner = Functions(work, jobs=2)

    with pytest.raises(TaskError, match="no"):
        go(wide, runner, told.append)

    assert [call.name for call in runner.calls] == ["add", "add-2"]
    assert sorted(event.outcome for event in told if isinstance(event, TaskEnded)) == ["failed", "succeeded"]


def test_what_needs_a_failed_call_does_not_run() -> None:
    """With one job as with many."""
    for jobs in (1, 4):
        runner = Functions(lambda call: (_ for _ in ()).throw(TaskError("no")), jobs)
        with pytest.raises(TaskError):
            go(diamond, runner, n=1)
        assert len(runner.calls) == 1


@workflow
def retried(n: int) -> Any:
    return careful(n)


def test_a_task_runs_again_as_often_as_it_says() -> None:
    """Each try is told; the last failure is the one that is raised."""
    told: list[Event] = []
    runner = Functions(lambda call: (_ for _ in ()).throw(TaskError(f"try {len(runner.calls)}")))

    with pytest.raises(TaskError, match="try 3"):
        go(retried, runner, told.append, n=1)

    assert [type(event) for event in told] == [TaskStarted, TaskEnded] * 3


def test_a_second_try_that_works_is_enough() -> None:
    """Its value is the result."""

    def work(call: TaskCall) -> Any:
        if len(runner.calls) < 2:
            raise TaskError("once")
        return (1, 2)

    runner = Functions(work)

    assert go(retried, runner, n=1) == (1, 2)


def test_a_place_that_cannot_start_it_is_not_asked_again() -> None:
    """Retries are for what tasks do, not for a machine that cannot run them."""
    runner = Functions(lambda call: (_ for _ in ()).throw(RunnerError("no place")))

    with pytest.raises(RunnerError):
        go(retried, runner, n=1)

    assert len(runner.calls) == 1


def test_a_result_that_is_not_what_was_annotated() -> None:
    """The workflow unpacked two parts; there is one."""

    @workflow
    def unpacks(n: int) -> Any:
        a, b = careful(n)
        return add(a, b)

    with pytest.raises(TaskError) as caught:
        go(unpacks, Functions(lambda call: (1,)), n=1)

    assert caught.value.code == "IW313"
    assert caught.value.what == ("task 'careful' did not return what its annotation says: its result has no part [1]")


def test_an_interrupt_ends_what_is_running() -> None:
    """The runner is told to stop it, and the interrupt goes on."""
    waiting = threading.Event()

    def work(call: TaskCall) -> int:
        waiting.set()
        assert runner.stopped.wait(30)
        raise TaskError("ended")

    def interrupt(event: Event) -> None:
        # In the caller's place: the first end is only told after stop().
        if isinstance(event, TaskEnded):
            assert runner.stopped.is_set()

    @workflow
    def wide() -> Any:
        return [add(i) for i in range(3)]

    runner = Functions(work, jobs=2)
    main = threading.get_ident()

    def press() -> None:
        assert waiting.wait(30)
        while not runner.stopped.wait(0.1):  # one that comes just before the thread begins to wait does not wake it
            signal.pthread_kill(main, signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        go(wide, runner, interrupt)
    pressing.join()

    assert len(runner.calls) <= 2
