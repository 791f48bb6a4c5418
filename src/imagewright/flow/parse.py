"""Texts from a command line become values of a workflow's inputs, by the inputs' annotations."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import json
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

from imagewright.errors import UsageError

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def parse(text: str, annotation: Any, *, name: str = "input") -> Any:
    """The value that ``text`` is for an input with this annotation.

    Numbers, text, bool, dates, enums (by name or value) and paths are written as they are; lists, dicts, tuples and
    dataclasses as JSON. Without an annotation it is JSON where it is JSON, else text.

    Raises:
        UsageError: It is no such value.
    """
    try:
        return _parsed(text, annotation)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise UsageError(
            f"--{name} {text!r} is not {described(annotation)}",
            why=str(error.args[0]) if error.args else type(error).__name__,
            fix=f"write it as in: --{name} {example(annotation)}",
        ) from error


def described(annotation: Any) -> str:
    """What a person calls values of the annotation."""
    kind = _plain_type(annotation)
    names = {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
        bytes: "bytes (as base64)",
        datetime.datetime: "a date and time",
        datetime.date: "a date",
        datetime.timedelta: "a number of seconds",
        list: "a JSON list",
        tuple: "a JSON list",
        set: "a JSON list",
        dict: "a JSON object",
        Path: "a file or directory that is there",
    }
    if kind in names:
        return names[kind]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "one of " + ", ".join(kind.__members__)
    if kind is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(_options(annotation)[0])))
    return f"a {getattr(kind, '__name__', kind)}, written as JSON"


def example(annotation: Any) -> str:
    """A value of the annotation as it is typed in a shell."""
    kind = _plain_type(annotation)
    examples = {
        int: "4",
        float: "0.5",
        str: "text",
        bool: "true",
        bytes: "aGVsbG8=",
        datetime.datetime: "2026-01-31T12:00:00",
        datetime.date: "2026-01-31",
        datetime.timedelta: "90",
        list: "'[1, 2]'",
        tuple: "'[1, 2]'",
        set: "'[1, 2]'",
        dict: "'{\"key\": 1}'",
        Path: "data.csv",
    }
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind.__members__), "NAME")
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return "'" + json.dumps({field.name: _sample(_hints(kind).get(field.name)) for field in _given(kind)}) + "'"
    return examples.get(kind, "1")


def _given(kind: Any) -> list[Any]:
    """The fields that have to be given; all of them when none has to."""
    fields = [field for field in dataclasses.fields(kind) if field.init]
    missing = dataclasses.MISSING
    return [field for field in fields if field.default is missing and field.default_factory is missing] or fields


def _hints(kind: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except Exception:  # evaluating a string may raise anything; an example is worth no error
        return {}


def _sample(annotation: Any) -> Any:
    """An example as JSON reads it."""
    text = example(annotation).strip("'")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parsed(text: str, annotation: Any) -> Any:
    options = _options(annotation)
    if len(options) > 1:
        return _first(lambda option: _parsed(text, option), options)
    kind = options[0]
    plain = _plain_type(kind)
    if kind is Any or plain is object:
        try:
            return json.loads(text)
        except ValueError:
            return text
    if kind is type(None):
        if text.lower() in ("none", "null"):
            return None
        raise ValueError("it is not none")
    if plain is str:
        return text
    if plain is typing.Literal:
        return _chosen(text, typing.get_args(kind))
    if plain is bool:
        return _bool(text)
    if plain in (int, float):
        return plain(text)
    if plain is datetime.timedelta:
        return datetime.timedelta(seconds=float(text))
    if isinstance(plain, type) and issubclass(plain, (enum.Enum, Path, bytes, datetime.date)):
        return _built(text, kind)
    return _built(json.loads(text), kind)


def _built(read: Any, annotation: Any) -> Any:
    """The value of the annotation that JSON ``read`` describes."""
    options = _options(annotation)
    if len(options) > 1:
        return _first(lambda option: _built(read, option), options)
    kind, arguments = options[0], typing.get_args(options[0])
    plain = _plain_type(kind)
    if kind is Any or plain is object:
        return read
    if kind is type(None):
        return _expect(read, type(None), "null")
    if plain is typing.Literal:
        return _chosen(str(read), arguments)
    if plain is bool:
        return _expect(read, bool, "true or false")
    if plain is int:
        return _expect(read, int, "a whole number")
    if plain is float:
        return float(_expect(read, (int, float), "a number"))
    if plain is str:
        return _expect(read, str, "text")
    if plain in (list, set, frozenset):
        item = arguments[0] if arguments else Any
        return plain(_built(each, item) for each in _expect(read, list, "a list"))
    if plain is tuple and not hasattr(kind, "_fields"):
        return _tuple(_expect(read, list, "a list"), arguments)
    if plain is dict:
        key, item = arguments if len(arguments) == 2 else (Any, Any)
        return {_key(k, key): _built(v, item) for k, v in _expect(read, dict, "an object").items()}
    return _of_class(read, plain)


def _of_class(read: Any, kind: Any) -> Any:
    if not isinstance(kind, type):
        raise ValueError(f"{kind} cannot be given on a command line")
    if issubclass(kind, enum.Enum):
        if isinstance(read, str) and read in kind.__members__:
            return kind[read]
        found = [member for member in kind if str(member.value) == str(read)]
        if found:
            return found[0]
        raise ValueError(f"{read!r} is none of {', '.join(kind.__members__)}")
    if issubclass(kind, Path):
        path = kind(_expect(read, str, "a path")).expanduser()
        if not path.exists():
            raise ValueError("there is no such file or directory")
        return path.absolute()
    if issubclass(kind, bytes):
        return base64.b64decode(_expect(read, str, "base64"), validate=True)
    if issubclass(kind, datetime.datetime):
        return kind.fromisoformat(_zulu(_expect(read, str, "a date and time")))
    if issubclass(kind, datetime.date):
        return kind.fromisoformat(_expect(read, str, "a date"))
    if issubclass(kind, datetime.timedelta):
        return datetime.timedelta(seconds=_expect(read, (int, float), "seconds"))
    fields = getattr(kind, "_fields", None) or (
        [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else None
    )
    if fields is None:
        raise ValueError(f"a {kind.__name__} cannot be given on a command line: let a task make it")
    unknown = set(_expect(read, dict, "an object")) - set(fields)
    if unknown:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}; it has {', '.join(fields)}")
    hints = typing.get_type_hints(kind)
    return kind(**{key: _built(value, hints.get(key, Any)) for key, value in read.items()})


def _options(annotation: Any) -> list[Any]:
    """The members of a union, the ones that say most about a text first; else the annotation alone."""
    origin = typing.get_origin(annotation)
    if origin is getattr(typing, "Annotated", None):
        return _options(typing.get_args(annotation)[0])
    modern = sys.version_info >= (3, 10) and type(annotation).__name__ == "UnionType"
    if origin is Union or modern:
        return sorted(typing.get_args(annotation), key=lambda option: (option is str, option is not type(None)))
    return [annotation]


def _plain_type(annotation: Any) -> Any:
    options = [option for option in _options(annotation) if option is not type(None)] or [annotation]
    return typing.get_origin(options[0]) or options[0]


def _chosen(text: str, values: tuple[Any, ...]) -> Any:
    found = [value for value in values if str(value) == text]
    if not found:
        raise ValueError(f"{text!r} is none of {', '.join(map(str, values))}")
    return found[0]


def _first(attempt: Callable[[Any], Any], options: list[Any], reasons: tuple[str, ...] = ()) -> Any:
    """What the first option that fits makes of it."""
    if not options:
        raise ValueError("; ".join(reasons))
    try:
        return attempt(options[0])
    except (ValueError, TypeError, KeyError) as error:
        return _first(attempt, options[1:], (*reasons, str(error)))


def _tuple(read: list[Any], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if not arguments or (len(arguments) == 2 and arguments[1] is Ellipsis):
        return tuple(_built(each, arguments[0] if arguments else Any) for each in read)
    if len(read) != len(arguments):
        raise ValueError(f"it has {len(read)} parts, not {len(arguments)}")
    return tuple(_built(each, item) for each, item in zip(read, arguments))


def _key(text: str, annotation: Any) -> Any:
    return text if annotation is Any else _parsed(text, annotation)


def _expect(read: Any, kinds: Any, name: str) -> Any:
    if not isinstance(read, kinds) or (isinstance(read, bool) and kinds is not bool):
        raise ValueError(f"{read!r} is not {name}")
    return read


def _bool(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("it is neither true nor false")


def _zulu(text: str) -> str:
    # Before Python 3.11 a trailing Z was not read.
    return text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text
