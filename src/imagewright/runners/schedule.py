"""A graph runs: each call as soon as all that it needs is there."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import TaskError
from imagewright.events import Listener, TaskEnded, TaskStarted
from imagewright.flow.graph import ContainerImage, Graph, InputRef, Node, OutputRef, Ref, part_of, refs, replaced
from imagewright.parallel import run_graph
from imagewright.runners.protocol import Runner, TaskCall, TaskResult


@dataclass(frozen=True, slots=True)
class Placement:
    """What a ``container_image`` has become. ``name`` is what a person calls it, ``reference`` is pinned.

    ``declared`` is the spec's, "" when it was no ImageSpec.
    """

    name: str = ""
    reference: str = ""
    declared: str = ""


def here(image: ContainerImage) -> Placement:
    """The placement of every image for a runner that uses none."""
    return Placement()


def run(
    graph: Graph,
    inputs: Mapping[str, Any],
    runner: Runner,
    listen: Listener,
    *,
    root: Path,
    file: PurePosixPath,
    placed: Callable[[ContainerImage], Placement] = here,
) -> Any:
    """Run the graph's calls, and return its output: built as the workflow built it, of what the runner returned.

    ``inputs`` has a value for each of the graph's inputs. ``file`` is the user's file relative to ``root``, the tree
    of code. ``placed`` is asked once a call.

    Raises:
        TaskError: A call failed, as often as its task's retries allow. What had not begun then does not begin.
        RunnerError, SandboxError: A call could not be started.
    """
    nodes = {node.name: node for node in graph.nodes}

    def known(results: Mapping[str, Any], ref: Ref) -> Any:
        whole = results[ref.call] if isinstance(ref, OutputRef) else inputs[ref.name]
        try:
            return part_of(whole, ref.path)
        except (LookupError, AttributeError, TypeError) as error:
            raise _no_such_part(graph, nodes, ref, error) from error

    def filled_in(value: Any, results: Mapping[str, Any]) -> Any:
        return replaced(value, (InputRef, OutputRef), lambda ref: known(results, ref))

    def call(name: str, results: Mapping[str, Any]) -> Any:
        node = nodes[name]
        placement = placed(node.template.container_image)
        arguments = {key: filled_in(value, results) for key, value in node.arguments.items()}
        return _run_call(_call_of(node, arguments, placement, root, file), node, placement, runner, listen).value

    needs = {node.name: _needs(node) for node in graph.nodes}
    results = run_graph(call, needs, jobs=runner.jobs, interrupt=runner.stop)
    return filled_in(graph.output, results)


def _needs(node: Node) -> frozenset[str]:
    found = [ref for value in node.arguments.values() for ref in refs(value)]
    return frozenset(ref.call for ref in found if isinstance(ref, OutputRef))


def _call_of(
    node: Node, arguments: Mapping[str, Any], placement: Placement, root: Path, file: PurePosixPath
) -> TaskCall:
    return TaskCall(
        name=node.name,
        task=node.template.name,
        root=root,
        file=file,
        arguments=arguments,
        image=placement.reference,
        declared=placement.declared,
        timeout_seconds=node.template.timeout_seconds,
        memory_bytes=node.template.memory_bytes,
        where=node.template.where,
    )


def _run_call(call: TaskCall, node: Node, placement: Placement, runner: Runner, listen: Listener) -> TaskResult:
    """Run it, and again as often as its retries allow."""
    title = node.template.title
    for left in range(node.template.retries, -1, -1):
        listen(TaskStarted(call.name, title, placement.name))
        begin = time.monotonic()
        try:
            result = runner.run(call, listen)
        except BaseException as error:
            listen(TaskEnded(call.name, title, placement.name, "failed", time.monotonic() - begin))
            if left == 0 or not isinstance(error, TaskError):
                raise
        else:
            listen(TaskEnded(call.name, title, placement.name, "succeeded", time.monotonic() - begin))
            return result
    raise AssertionError("the last try either returns or raises")


def _no_such_part(graph: Graph, nodes: Mapping[str, Node], ref: Ref, error: Exception) -> TaskError:
    if isinstance(ref, InputRef):
        return TaskError(
            f"input '{ref.name}' of workflow '{graph.name}' has no part {_steps(ref)}",
            code="IW313",
            why=f"{type(error).__name__}: {error}",
            where=graph.where,
        )
    return TaskError(
        f"task '{nodes[ref.call].template.title}' did not return what its annotation says: its result has no part {_steps(ref)}",
        code="IW313",
        why=f"{type(error).__name__}: {error}",
        fix="let the annotation of its result and what it returns agree",
        where=nodes[ref.call].template.where,
    )


def _steps(ref: Ref) -> str:
    return "".join(f"[{step!r}]" for step in ref.path)
