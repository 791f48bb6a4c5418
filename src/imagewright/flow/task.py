"""``@task``: a function that runs in an image of its own when a workflow calls it."""

from __future__ import annotations

import datetime
import functools
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast, overload

from imagewright.errors import SpecError, Where
from imagewright.flow import trace
from imagewright.flow.callsite import line_of, where_called
from imagewright.flow.graph import ContainerImage, Template
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec

if sys.version_info >= (3, 10):
    from typing import ParamSpec

    P = ParamSpec("P")
else:
    P = TypeVar("P")  # in Generic[...] alone; that annotations are never evaluated does the rest
R = TypeVar("R")

_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(|k|M|G|T|Ki|Mi|Gi|Ti)")
_UNITS = {
    "": 1,
    **{unit: 1000**i for i, unit in enumerate("kMGT", 1)},
    **{f"{u}i": 1024**i for i, u in enumerate("KMGT", 1)},
}


class Task(Generic[P, R]):
    """A function with what its container needs. Calling it anywhere but in a workflow's function calls the function."""

    def __init__(self, function: Callable[P, R], template: Template) -> None:
        self.function = function
        self.template = template
        self._signature = inspect.signature(function)
        functools.update_wrapper(cast(Any, self), function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function; while a workflow is traced, write the call down and return what stands for its result."""
        current = trace.current()
        if current is None:
            return self.function(*args, **kwargs)
        arguments = trace.bound(self.template.title, self._signature, args, kwargs)
        return cast(R, current.call(self.template, arguments, self._returns))

    def __repr__(self) -> str:
        return f"<task {self.template.name}>"

    def __reduce__(self) -> str:
        # By its name, as functions are: a task may hand itself to a pool of processes.
        return str(self.__dict__["__qualname__"])

    @functools.cached_property
    def _returns(self) -> Any:
        return trace.hints_of(self.function).get("return", Any)


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    container_image: ContainerImage = None,
    timeout: float | datetime.timedelta | None = None,
    memory: int | str | None = None,
    retries: int = 0,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[P, R] | None = None,
    /,
    *,
    container_image: ContainerImage = None,
    timeout: float | datetime.timedelta | None = None,
    memory: int | str | None = None,
    retries: int = 0,
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task.

    ``container_image`` is what it runs in: an ImageSpec, an image's reference, or None for the default image.
    ``timeout`` in seconds (or a timedelta) and ``memory`` in bytes (or as ``512Mi``, ``2G``) limit one run of it in a
    container; ``retries`` is how often it runs again after it failed. None of them matters to a plain call.

    Raises:
        SpecError: An argument, or the function, is not what a task can have.
    """
    where = where_called()
    image = _image(container_image, where)
    seconds, size, again = _seconds(timeout, where), _size(memory, where), _count(retries, where)

    def decorate(decorated: Callable[P, R]) -> Task[P, R]:
        check_function(decorated, "task", where)
        code = cast(Any, decorated).__code__
        template = Template(
            name=f"{decorated.__module__}:{decorated.__qualname__}",
            function=decorated,
            container_image=image,
            timeout_seconds=seconds,
            memory_bytes=size,
            retries=again,
            file=code.co_filename,
            line=code.co_firstlineno,
        )
        return Task(decorated, template)

    return decorate if function is None else decorate(function)


def check_function(function: Any, decorator: str, where: Where) -> None:
    """Check that calls of it can be written down: a plain function whose parameters all have names.

    Raises:
        SpecError: It is something else.
    """
    if not inspect.isfunction(function):
        raise SpecError(
            f"@{decorator} is for a function, and this is {function!r}",
            fix=f"put @{decorator} above a def, below any other decorator that does not return a function",
            where=where,
        )
    name = function.__qualname__
    where = line_of(function.__code__.co_filename, function.__code__.co_firstlineno)
    if (
        inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
        or inspect.isgeneratorfunction(function)
    ):
        kind = "a generator" if inspect.isgeneratorfunction(function) else "async"
        raise SpecError(
            f"{decorator} '{name}' is {kind}, and its result cannot be passed on",
            fix="write it as a plain function that returns its whole result",
            where=where,
        )
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise SpecError(
                f"{decorator} '{name}' takes {parameter}, and every input needs a name of its own",
                fix="name each parameter; for several values take one list or one dict",
                where=where,
            )


def _image(value: Any, where: Where) -> ContainerImage:
    if value is None or isinstance(value, ImageSpec):
        return value
    if not isinstance(value, str):
        raise SpecError(
            f"container_image={value!r} is of type {type(value).__name__}",
            fix="give an ImageSpec, an image's reference such as 'ghcr.io/acme/demo:1', or nothing",
            where=where,
        )
    try:
        Reference.parse(value)
    except ValueError as error:
        fix = "write it as docker does: ghcr.io/acme/demo:1"
        raise SpecError(
            f"container_image={value!r} is no image's reference", why=str(error), fix=fix, where=where
        ) from None
    return value


def _seconds(value: Any, where: Where) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, datetime.timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        fix = "give seconds as a positive number, or a timedelta"
        raise SpecError(f"timeout={value!r} is not a time", fix=fix, where=where)
    return float(seconds)


def _size(value: Any, where: Where) -> int | None:
    if value is None:
        return None
    match = _MEMORY.fullmatch(str(value)) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    size = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if size <= 0:
        fix = "give bytes as an int, or a text such as '512Mi' or '2G'"
        raise SpecError(f"memory={value!r} is not a size", fix=fix, where=where)
    return size


def _count(value: Any, where: Where) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SpecError(f"retries={value!r} is not a count", fix="give 0, 1, 2, ...", where=where)
    return value
