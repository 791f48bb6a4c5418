"""Recording the calls of tasks while a workflow's function runs."""

from __future__ import annotations

import contextvars
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from imagewright.errors import UsageError
from imagewright.flow.callsite import where_called
from imagewright.flow.graph import REQUIRED, Input, Node, OutputRef, Template, replaced
from imagewright.flow.promise import Promise

_active: contextvars.ContextVar[Trace | None] = contextvars.ContextVar("imagewright_trace", default=None)


class Trace:
    """The calls so far. Each gets a name of its own: ``squares``, ``squares-2``."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._counts: dict[str, int] = {}

    def call(self, template: Template, arguments: Mapping[str, Any], returns: Any) -> Promise:
        """Record a call, and return what stands for its result."""
        count = self._counts[template.title] = self._counts.get(template.title, 0) + 1
        name = template.title if count == 1 else f"{template.title}-{count}"
        plain = {key: without_promises(value) for key, value in arguments.items()}
        self.nodes.append(Node(name, template, plain, where_called()))
        return Promise(OutputRef(name), returns)


def current() -> Trace | None:
    """The trace that is being recorded, if a workflow is being traced on this thread."""
    return _active.get()


@contextmanager
def tracing() -> Iterator[Trace]:
    """Record the calls of the body."""
    trace = Trace()
    token = _active.set(trace)
    try:
        yield trace
    finally:
        _active.reset(token)


def without_promises(value: Any) -> Any:
    """``value`` with each promise in it replaced by the ref that it stands for."""
    return replaced(value, Promise, lambda promise: promise.ref)


def bound(title: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, defaults included.

    Raises:
        UsageError: They do not fit the signature.
    """
    try:
        arguments = signature.bind(*args, **kwargs)
    except TypeError as error:
        fix = f"its signature is {title}{signature}"
        raise UsageError(f"{title}() cannot be called like this: {error}", fix=fix, where=where_called()) from None
    arguments.apply_defaults()
    return dict(arguments.arguments)


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of ``function`` as objects. One that cannot be evaluated here is left out: it may name a type
    that only the task's own image has.
    """
    found: dict[str, Any] = {}
    for name, annotation in getattr(function, "__annotations__", {}).items():
        holder = type("holder", (), {"__annotations__": {name: annotation}, "__module__": function.__module__})
        try:
            found[name] = typing.get_type_hints(holder, getattr(function, "__globals__", None))[name]
        except Exception:  # evaluating a string may raise anything
            continue
    return found


def inputs_of(function: Callable[..., Any]) -> tuple[Input, ...]:
    """The parameters of a workflow's function."""
    hints = hints_of(function)
    return tuple(
        Input(name, hints.get(name, Any), REQUIRED if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
    )
