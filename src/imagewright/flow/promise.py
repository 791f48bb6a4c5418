"""What stands for a value while a workflow is traced: it can be passed on and taken apart, not looked at."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing
from collections.abc import Iterator
from typing import Any, NoReturn

from imagewright.errors import UsageError
from imagewright.flow.callsite import where_called
from imagewright.flow.graph import OutputRef, Ref

_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable)
_DICTS = (dict, collections.abc.Mapping)


class Promise:
    """A result, or an input, that is not known while the workflow is traced. ``annotation`` says how it comes apart."""

    __slots__ = ("_annotation", "_ref")

    def __init__(self, ref: Ref, annotation: Any) -> None:
        self._ref = ref
        self._annotation = annotation

    @property
    def ref(self) -> Ref:
        """What it stands for."""
        return self._ref

    def __repr__(self) -> str:
        return f"<{self._ref}, not known yet>"

    def __iter__(self) -> Iterator[Any]:
        fields, parts = _fields_of(self._annotation), _parts_of(self._annotation)
        if fields is not None and _is_namedtuple(self._annotation):
            return iter([self._part(name, fields[name]) for name in fields])
        if parts is not None:
            return iter([self._part(index, part) for index, part in enumerate(parts)])
        return self._refuse(
            "unpacked or looped over",
            "annotate the task's result, as -> tuple[int, str] or a NamedTuple, to unpack it; loop inside a task",
        )

    def __getitem__(self, key: Any) -> Any:
        parts = _parts_of(self._annotation)
        if _is_namedtuple(self._annotation):
            parts = tuple((_fields_of(self._annotation) or {}).values())
        if parts is not None and isinstance(key, int) and -len(parts) <= key < len(parts):
            return self._part(key % len(parts), parts[key])
        origin = typing.get_origin(self._annotation) or self._annotation
        arguments = typing.get_args(self._annotation)
        if isinstance(key, int) and origin in (*_LISTS, tuple) and parts is None:
            return self._part(key, arguments[0] if arguments else Any)
        if isinstance(key, (int, str)) and origin in _DICTS:
            return self._part(key, arguments[1] if len(arguments) == 2 else Any)
        return self._refuse(
            f"indexed with {key!r}", "annotate it as a tuple, list or dict that has such a part, or do it inside a task"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy, inspect and the like ask of every object
            raise AttributeError(name)
        fields = _fields_of(self._annotation)
        if fields is not None and name in fields:
            return self._part(name, fields[name])
        hint = (
            f"it has {', '.join(fields)}"
            if fields
            else "annotate it as a NamedTuple or a dataclass, or do it inside a task"
        )
        return self._refuse(f"asked for .{name}", hint)

    def _part(self, step: Any, annotation: Any) -> Promise:
        return Promise(dataclasses.replace(self._ref, path=(*self._ref.path, step)), annotation)

    def _refuse(self, used: str, fix: str = "do it inside a task") -> NoReturn:
        known = "tasks run later" if isinstance(self._ref, OutputRef) else "inputs are given later"
        raise UsageError(
            f"{self._ref} is {used}, and it is not known yet",
            why=f"a workflow's function runs once, to find out which task needs whose result; {known}",
            fix=fix,
            where=where_called(),
        )

    __hash__ = object.__hash__


def _refused(used: str) -> Any:
    def refuse(self: Promise, *_: Any) -> NoReturn:
        self._refuse(used)

    return refuse


_USES = {
    "used as a condition": "bool",
    "compared": "eq ne lt le gt ge contains",
    "used in arithmetic": "add radd sub rsub mul rmul matmul rmatmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow "
    "divmod rdivmod neg pos abs invert and rand or ror xor rxor lshift rlshift rshift rrshift round trunc floor ceil",
    "made a number": "int float complex index",
    "made text": "str format bytes",
    "asked for its length": "len",
    "called": "call",
    "changed": "setitem delitem",
    "used in a with statement": "enter",
    "iterated backwards": "reversed",
}
for _used, _names in _USES.items():
    for _name in _names.split():
        setattr(Promise, f"__{_name}__", _refused(_used))


def _is_namedtuple(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def _fields_of(annotation: Any) -> dict[str, Any] | None:
    """The fields of a NamedTuple or dataclass with their annotations, or None when it is neither."""
    if _is_namedtuple(annotation):
        names = list(annotation._fields)
    elif isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        names = [field.name for field in dataclasses.fields(annotation)]
    else:
        return None
    try:
        hints = typing.get_type_hints(annotation)
    except Exception:  # an annotation that cannot be evaluated here says nothing, and may raise anything
        hints = {}
    return {name: hints.get(name, Any) for name in names}


def _parts_of(annotation: Any) -> tuple[Any, ...] | None:
    """The annotations of a tuple of fixed length, or None when it is something else."""
    if typing.get_origin(annotation) is not tuple:
        return None
    parts = typing.get_args(annotation)
    if parts == ((),):  # Tuple[()] before Python 3.11
        return ()
    return None if len(parts) == 2 and parts[1] is Ellipsis else parts
