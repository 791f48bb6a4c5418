"""Whether a task returned what it says: a wrong value is found where it was made, not in a later task that takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imagewright.errors import TaskError
from imagewright.flow.callsite import line_of

_KINDS = {kind.__name__: kind for kind in (bool, int, float, str, bytes, list, dict, tuple, set)}


def check_returned(title: str, function: Callable[..., Any], value: Any) -> None:
    """Pass when the value is of the built-in type that the function's annotation names; other annotations promise nothing.

    A number of numpy's counts as an int or float, and an int as a float.

    Raises:
        TaskError: IW313: it is of another type.
    """
    kind = _kind(getattr(function, "__annotations__", {}).get("return"))
    if kind is None or isinstance(value, kind):
        return
    if kind in (int, float) and hasattr(type(value), "__index__"):
        return
    if kind is float and hasattr(type(value), "__float__"):
        return
    shown = repr(value)
    code = getattr(function, "__code__", None)
    raise TaskError(
        f"task '{title}' returned {type(value).__name__}, and it says that it returns {kind.__name__}",
        code="IW313",
        why=f"the value: {shown if len(shown) <= 60 else shown[:57] + '...'}",
        fix=f"return {'an' if kind is int else 'a'} {kind.__name__}, or annotate what it does return",
        where=line_of(code.co_filename, code.co_firstlineno) if code is not None else None,
    )


def _kind(annotation: Any) -> type | None:
    """The built-in type that an annotation names, or the one that it is a list, dict, tuple or set of."""
    if isinstance(annotation, str):  # from __future__ import annotations
        name = annotation.partition("[")[0].strip()
        return _KINDS.get(name) if "|" not in annotation else None
    kind = getattr(annotation, "__origin__", None) or annotation
    return kind if kind in _KINDS.values() else None
