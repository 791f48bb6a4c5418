"""@workflow: traced once to data; its results are those of plain Python."""

import dataclasses
import threading
from typing import Any, NamedTuple

import pytest

from imagewright import ImageSpec, task, workflow
from imagewright.errors import SpecError, UsageError
from imagewright.flow.graph import Graph, InputRef, OutputRef, images

IMAGE = ImageSpec(name="demo", packages=["numpy"])


class Summary(NamedTuple):
    total: int
    text: str


@dataclasses.dataclass
class Pair:
    left: int
    right: str


@task(container_image=IMAGE)
def squares(n: int) -> list[int]:
    return [i * i for i in range(n)]


@task
def total(values: list[int], more: Any = None) -> int:
    return int(sum(values) + sum(more or []))


@task(container_image=ImageSpec(name="demo", packages=["numpy"]))
def split(n: int) -> tuple[int, str]:
    return n + 1, "x" * n


@task
def summary(n: int) -> Summary:
    return Summary(n, str(n))


@task
def pair(n: int) -> Pair:
    return Pair(n, str(n))


@task
def table(n: int) -> dict[str, list[int]]:
    return {"all": list(range(n))}


@task
def unannotated(n):  # type: ignore[no-untyped-def]
    return n


@workflow
def main(n: int = 4) -> int:
    """The docstring."""
    return total(values=squares(n=n))


def test_called_in_plain_python_it_returns_the_result() -> None:
    """Nothing but Python is needed to try a workflow."""
    assert main() == 14
    assert main(5) == 30
    assert main(n=0) == 0
    assert main.__doc__ == "The docstring."


def test_its_graph_is_data() -> None:
    """Calls with names of their own, in an order in which each comes after what it needs."""

    @workflow
    def twice(n: int, m: int = 2) -> Any:
        first = squares(n)
        return {"sum": total(first, more=[1, (squares(n=m),)]), "first": first, "n": n}

    graph = twice.graph

    assert [node.name for node in graph.nodes] == ["squares", "squares-2", "total"]
    assert graph.nodes[0].arguments == {"n": InputRef("n")}
    assert graph.nodes[2].arguments == {"values": OutputRef("squares"), "more": [1, (OutputRef("squares-2"),)]}
    assert graph.output == {"sum": OutputRef("total"), "first": OutputRef("squares"), "n": InputRef("n")}
    assert [(each.name, each.annotation) for each in graph.inputs] == [("n", int), ("m", int)]
    assert graph.nodes[0].where.text == "first = squares(n)"


def test_it_is_traced_once() -> None:
    """However often it runs."""
    runs = []

    @workflow
    def counted(n: int) -> Any:
        runs.append(n)
        return squares(n)

    assert [counted(1), counted(2)] == [[0], [0, 1]]
    assert len(runs) == 1


def test_images_are_listed_once() -> None:
    """Equal specs are one image; None stands for the default one."""

    @workflow
    def several(n: int) -> Any:
        return total(squares(n)), split(n), pair(n)

    assert images(several.graph) == (IMAGE, None)


def test_results_come_apart_by_their_annotations() -> None:
    """A tuple unpacks; NamedTuples and dataclasses have fields; lists and dicts have items; all nested."""

    @workflow
    def parts(n: int) -> Any:
        number, text = split(n)
        one, two = summary(n)
        return [number, text, one, two, summary(n).text, summary(n)[0], pair(n).right, table(n)["all"][1], split(n)[-1]]

    assert parts(3) == [4, "xxx", 3, "3", "3", 3, "3", 1, "xxx"]


def test_several_named_results() -> None:
    """A NamedTuple of promises is the workflow's output, and stays one."""

    @workflow
    def named(n: int) -> Summary:
        number, text = split(n)
        return Summary(number, text)

    assert named(2) == Summary(3, "xx")
    assert isinstance(named(2), Summary)


def test_workflows_nest_and_loop() -> None:
    """An inner workflow's calls become the outer one's; a plain loop over known values calls as often."""

    @workflow
    def inner(n: int, times: int = 2) -> Any:
        return [squares(n) for _ in range(times)]

    @workflow
    def outer(n: int) -> Any:
        return [*inner(n), inner(n=2, times=1), main(n)]

    assert outer(2) == [[0, 1], [0, 1], [[0, 1]], 1]
    assert [node.name for node in outer.graph.nodes] == ["squares", "squares-2", "squares-3", "squares-4", "total"]


def test_passing_through_and_constants() -> None:
    """A workflow may return its input, a constant, or nothing."""

    @workflow
    def through(n: int, fixed: str = "x") -> Any:
        return n, fixed, 3

    @workflow
    def nothing() -> None:
        squares(1)

    assert through(5) == (5, "x", 3)
    assert nothing() is None


def test_a_task_inside_a_task_is_a_plain_call() -> None:
    """A running task is Python; nothing is traced."""

    @task
    def calls(n: int) -> int:
        return len(squares(n)) + main(n)

    @workflow
    def wrapper(n: int) -> int:
        return calls(n)

    assert wrapper(3) == 3 + 5
    assert len(wrapper.graph.nodes) == 1


def test_tracing_is_a_matter_of_one_thread() -> None:
    """Another thread's plain call is not recorded in the workflow that is just being traced."""
    seen: list[Any] = []

    @workflow
    def busy(n: int) -> Any:
        thread = threading.Thread(target=lambda: seen.append(squares(2)))
        thread.start()
        thread.join()
        return squares(n)

    assert busy(1) == [0]
    assert seen == [[0, 1]]
    assert len(busy.graph.nodes) == 1


def broken(use: Any) -> Graph:
    """The graph of a workflow that uses a result as ``use`` does."""

    @workflow
    def uses(n: int = 1) -> Any:
        return use(squares(n))

    return uses.graph


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda p: 1 if p else 2, "used as a condition"),
        (lambda p: p + 1, "used in arithmetic"),
        (lambda p: 1 - p, "used in arithmetic"),
        (lambda p: -p, "used in arithmetic"),
        (lambda p: p > 1, "compared"),
        (lambda p: p == 1, "compared"),
        (lambda p: 1 in p, "compared"),
        (lambda p: f"{p}", "made text"),
        (lambda p: str(p), "made text"),
        (lambda p: int(p), "made a number"),
        (lambda p: range(p), "made a number"),
        (lambda p: len(p), "asked for its length"),
        (lambda p: list(map(str, p)), "unpacked or looped over"),
        (lambda p: p.append(1), "asked for .append"),
        (lambda p: p["a"], "indexed with 'a'"),
        (lambda p: p(), "called"),
        (lambda p: p.__setitem__(0, 1), "changed"),
    ],
)
def test_a_promise_is_no_value(use: Any, said: str) -> None:
    """Whoever looks at a result before it is there is told so, with the line where it was looked at."""
    with pytest.raises(UsageError) as caught:
        broken(use)

    assert caught.value.what == f"the result of squares is {said}, and it is not known yet"
    assert caught.value.where is not None
    assert "lambda p:" in caught.value.where.text
    assert "inside a task" in caught.value.fix[0] or "annotate" in caught.value.fix[0]


def test_an_input_is_no_value_either() -> None:
    """The text says which input it is."""

    @workflow
    def loops(n: int) -> Any:
        return [squares(i) for i in range(n)]

    with pytest.raises(UsageError, match="input 'n' is made a number"):
        loops(3)


def test_unpacking_needs_an_annotation() -> None:
    """The error says which one."""

    @workflow
    def unpacks(n: int) -> Any:
        a, b = unannotated(n)
        return a, b

    with pytest.raises(UsageError) as caught:
        unpacks(3)

    assert "annotate the task's result" in caught.value.fix[0]


def test_a_call_that_does_not_fit_names_its_line() -> None:
    """As a plain call would fail, but before anything runs."""

    @workflow
    def misses() -> Any:
        return squares(m=1)  # type: ignore[call-arg]

    with pytest.raises(UsageError) as caught:
        misses()

    assert caught.value.what.startswith("squares() cannot be called like this: ")
    assert caught.value.fix == ("its signature is squares(n: int) -> list[int]",)
    assert caught.value.where is not None
    assert caught.value.where.text.startswith("return squares(m=1)")
    with pytest.raises(UsageError, match="unexpected keyword argument 'k'"):
        main(k=1)  # type: ignore[call-arg]


def test_a_workflow_that_fails_while_it_is_traced() -> None:
    """Its own error is told, with the line, and stays the cause."""

    @workflow
    def fails(n: int) -> Any:
        return dict[str, int]()["missing"]

    with pytest.raises(UsageError) as caught:
        fails(1)

    assert caught.value.what == "workflow 'fails' fails while its calls are traced: KeyError: 'missing'"
    assert caught.value.where is not None
    assert caught.value.where.text == 'return dict[str, int]()["missing"]'
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_a_task_raises_comes_out_as_it_is() -> None:
    """pytest.raises works on a workflow as on the function."""

    @task
    def fails() -> None:
        raise ZeroDivisionError("here")

    @workflow
    def wrapper() -> None:
        fails()

    with pytest.raises(ZeroDivisionError, match="here"):
        wrapper()


def test_a_workflow_names_its_inputs() -> None:
    """*args is refused where it is defined."""

    def starred(*numbers: int) -> None: ...

    with pytest.raises(SpecError, match=r"workflow '.*starred' takes \*numbers"):
        workflow(starred)
