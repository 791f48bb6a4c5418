"""A workflow as data: calls of tasks, and which needs whose result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Union

from imagewright.dataclass import dataclass
from imagewright.errors import Where
from imagewright.flow.callsite import line_of

if TYPE_CHECKING:
    from imagewright.spec import ImageSpec

ContainerImage = Union[None, str, "ImageSpec"]
"""What a task runs in: None is the default image, a str is an image's reference."""

REQUIRED = object()
"""The default of an input that has none."""


@dataclass(frozen=True)
class InputRef:
    """An input of the workflow, or the part of it at ``path`` (indexes, keys, names of fields)."""

    name: str
    path: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"input '{self.name}'" + "".join(f"[{step!r}]" for step in self.path)


@dataclass(frozen=True)
class OutputRef:
    """The result of a call, or the part of it at ``path``."""

    call: str
    path: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"the result of {self.call}" + "".join(f"[{step!r}]" for step in self.path)


Ref = Union[InputRef, OutputRef]


@dataclass(frozen=True)
class Template:
    """What every call of one task shares. ``name`` is ``module:qualified.name``."""

    name: str
    function: Callable[..., Any] = field(compare=False, repr=False)
    container_image: ContainerImage
    timeout_seconds: float | None
    memory_bytes: int | None
    retries: int
    file: str
    line: int

    @property
    def title(self) -> str:
        """The task's name as people say it: without its module."""
        return self.name.rpartition(":")[2].rpartition(".")[2]

    @property
    def where(self) -> Where:
        """Where the task is defined."""
        return line_of(self.file, self.line)


@dataclass(frozen=True)
class Node:
    """One call. ``arguments`` are plain values with `Ref` among them, inside lists, tuples and dicts as well."""

    name: str
    template: Template
    arguments: Mapping[str, Any]
    where: Where


@dataclass(frozen=True)
class Input:
    """A parameter of the workflow; ``annotation`` is Any and ``default`` is REQUIRED where it has none."""

    name: str
    annotation: Any
    default: Any


@dataclass(frozen=True)
class Graph:
    """A traced workflow. Each node comes after all that it needs; ``output`` is built like an argument."""

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    output: Any
    where: Where

    @property
    def tasks(self) -> dict[str, Callable[..., Any]]:
        """The functions of its tasks by the template's name."""
        return {node.template.name: node.template.function for node in self.nodes}


def images(graph: Graph) -> tuple[ContainerImage, ...]:
    """The distinct images that the graph's calls run in, in the order of their first use."""
    found: list[ContainerImage] = []
    for node in graph.nodes:
        if node.template.container_image not in found:
            found.append(node.template.container_image)
    return tuple(found)


def refs(value: Any) -> list[Ref]:
    """The refs in an argument."""
    found: list[Ref] = []

    def note(ref: Ref) -> Ref:
        found.append(ref)
        return ref

    replaced(value, (InputRef, OutputRef), note)
    return found


def replaced(value: Any, kinds: Any, replace: Callable[[Any], Any]) -> Any:
    """``value`` with ``replace`` applied to everything of these types in it, inside lists, tuples and dicts as well."""
    if isinstance(value, kinds):
        return replace(value)
    kind = type(value)
    if kind is dict:
        items = {key: replaced(item, kinds, replace) for key, item in value.items()}
        return items if any(items[key] is not value[key] for key in items) else value
    if kind is list or isinstance(value, tuple):
        parts = [replaced(item, kinds, replace) for item in value]
        if all(new is old for new, old in zip(parts, value)):
            return value
        if kind is list or kind is tuple:
            return kind(parts)
        return tuple.__new__(kind, parts)  # a NamedTuple stays one
    return value


def part_of(value: Any, path: tuple[Any, ...]) -> Any:
    """The part of a result, or of an input, at ``path``.

    Raises:
        LookupError, AttributeError, TypeError: It has no such part.
    """
    if path and hasattr(value, "select") and hasattr(value, "document"):
        return value.select(path)
    for step in path:
        value = getattr(value, step) if isinstance(step, str) and not isinstance(value, dict) else value[step]
    return value
