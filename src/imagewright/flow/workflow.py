"""``@workflow``: a function whose calls of tasks are traced once to a graph."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast

from imagewright.errors import ImagewrightError, UsageError
from imagewright.flow import trace
from imagewright.flow.callsite import line_of, ours, where_called
from imagewright.flow.graph import Graph, InputRef, OutputRef, Ref, part_of, replaced
from imagewright.flow.promise import Promise
from imagewright.flow.task import check_function

if sys.version_info >= (3, 10):
    from typing import ParamSpec

    P = ParamSpec("P")
else:
    P = TypeVar("P")
R = TypeVar("R")


class Workflow(Generic[P, R]):
    """A traced function. Called in another workflow it becomes part of that one; called elsewhere it runs right here."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function
        self.name = function.__qualname__.rpartition(".")[2]
        self._signature = inspect.signature(function)
        functools.update_wrapper(cast(Any, self), function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it in this process; while another workflow is traced, let its calls be part of that one."""
        if trace.current() is not None:
            arguments = trace.bound(self.name, self._signature, args, kwargs)
            return cast(Callable[..., R], self.function)(**arguments)
        return cast(R, evaluate(self.graph, trace.bound(self.name, self._signature, args, kwargs)))

    def __repr__(self) -> str:
        return f"<workflow {self.__dict__['__module__']}:{self.__dict__['__qualname__']}>"

    @functools.cached_property
    def graph(self) -> Graph:
        """What it does, as data.

        Raises:
            UsageError: Its function uses a result as if it were known, or fails.
        """
        inputs = trace.inputs_of(self.function)
        code = cast(Any, self.function).__code__
        with trace.tracing() as traced:
            promises = {each.name: Promise(InputRef(each.name), each.annotation) for each in inputs}
            try:
                returned = cast(Callable[..., Any], self.function)(**promises)
            except ImagewrightError:
                raise
            except Exception as error:
                raise self._failed(error) from error
        where = line_of(code.co_filename, code.co_firstlineno)
        return Graph(self.name, inputs, tuple(traced.nodes), trace.without_promises(returned), where)

    def _failed(self, error: Exception) -> UsageError:
        from traceback import extract_tb  # 3 ms of a task's start, for a workflow that fails

        frames = [frame for frame in extract_tb(error.__traceback__) if not ours(frame.filename)]
        return UsageError(
            f"workflow '{self.name}' fails while its calls are traced: {type(error).__name__}: {error}",
            why="its function runs once, before any task has run, to find out which task needs whose result",
            fix="let it only call tasks and pass on their results; do everything else inside tasks",
            where=line_of(frames[-1].filename, frames[-1].lineno or 0) if frames else where_called(),
        )


def workflow(function: Callable[P, R], /) -> Workflow[P, R]:
    """Make a function a workflow: its calls of tasks are traced, and run where their values allow it in parallel.

    Raises:
        SpecError: It is not a plain function whose parameters all have names.
    """
    check_function(function, "workflow", where_called())
    return Workflow(function)


def evaluate(graph: Graph, inputs: Mapping[str, Any]) -> Any:
    """Run a graph in this process, one call after the other. What a task raises comes out as it is."""
    results: dict[str, Any] = {}

    def known(ref: Ref) -> Any:
        return part_of(results[ref.call] if isinstance(ref, OutputRef) else inputs[ref.name], ref.path)

    for node in graph.nodes:
        arguments = {name: replaced(value, (InputRef, OutputRef), known) for name, value in node.arguments.items()}
        results[node.name] = node.template.function(**arguments)
    return replaced(graph.output, (InputRef, OutputRef), known)
