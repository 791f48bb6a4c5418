"""Values as text and as plain JSON, for a person and for ``--output json``; encoded ones without decoding them."""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
from pathlib import PurePath
from typing import Any

from imagewright.flow.forms import text_of
from imagewright.flow.values import Encoded


def show(value: Any) -> str:
    """What a person reads: a text as it is, everything else as Python writes it. Of bounded length for foreign types."""
    if isinstance(value, Encoded):
        value = value.document
        return value if isinstance(value, str) else _document(value)
    return value if type(value) is str else _value(value)


def plain(value: Any) -> Any:
    """The value as JSON's own: what has no place there is the text that `show` gives."""
    if isinstance(value, Encoded):
        return _plain_document(value.document)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(item) for name, item in zip(value._fields, value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return show(value)


def _value(value: Any) -> str:
    """Python's spelling of a structure that may hold encoded values."""
    kind: Any = type(value)
    if isinstance(value, Encoded):
        return _document(value.document)
    if kind is list:
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if kind is dict:
        return "{" + ", ".join(f"{_value(key)}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return _named(kind.__qualname__, {name: _value(item) for name, item in zip(kind._fields, value)})
    if kind is tuple:
        return _tuple([_value(item) for item in value])
    return text_of(value)


def _document(document: Any) -> str:
    if isinstance(document, list):
        return "[" + ", ".join(_document(item) for item in document) + "]"
    if not isinstance(document, dict):
        return repr(document)
    kind = document["$"]
    items = [_document(item) for item in document["items"]] if kind in _WITH_ITEMS else []
    if kind == "tuple":
        return _tuple(items)
    if kind == "set":
        return "{" + ", ".join(items) + "}" if items else "set()"
    if kind == "frozenset":
        return f"frozenset({{{', '.join(items)}}})" if items else "frozenset()"
    if kind == "range":
        return f"range({', '.join(items if document['items'][2] != 1 else items[:2])})"
    if kind == "namedtuple":
        return _named(document["type"], dict(zip(document["fields"], items)))
    if kind == "dataclass":
        return _named(document["type"], {name: _document(item) for name, item in document["fields"].items()})
    if kind == "dict":
        return "{" + ", ".join(f"{_document(key)}: {_document(item)}" for key, item in document["items"]) + "}"
    if kind == "enum":
        return f"{_class(document['type'])}.{document['name']}"
    if kind == "int":
        return str(document["hex"])
    if kind == "bytes" and "base64" in document:
        data = base64.b64decode(document["base64"])
        return text_of(bytearray(data) if document.get("type") else data)
    if kind in ("datetime", "time"):
        return str(document["text"]) + _zone(document["zone"])
    if kind == "timedelta":
        return "timedelta(days={}, seconds={}, microseconds={})".format(*document["items"])
    if kind == "complex":
        return f"complex({', '.join(_document(part) for part in document['parts'])})"
    return str(document.get("text", f"<{kind}>"))


_WITH_ITEMS = ("tuple", "set", "frozenset", "range", "namedtuple")


def _plain_document(document: Any) -> Any:
    if isinstance(document, list):
        return [_plain_document(item) for item in document]
    if not isinstance(document, dict):
        return document
    kind = document["$"]
    if kind in ("tuple", "set", "frozenset"):
        return [_plain_document(item) for item in document["items"]]
    if kind == "namedtuple":
        return {name: _plain_document(item) for name, item in zip(document["fields"], document["items"])}
    if kind == "dataclass":
        return {name: _plain_document(item) for name, item in document["fields"].items()}
    if kind == "dict" and all(type(key) is str for key, _ in document["items"]):
        return {key: _plain_document(item) for key, item in document["items"]}
    if kind == "enum":
        return document["name"]
    if kind == "int":
        return int(document["hex"], 16)
    return _document(document)


def _tuple(items: list[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def _named(name: str, fields: dict[str, str]) -> str:
    return f"{_class(name)}({', '.join(f'{key}={value}' for key, value in fields.items())})"


def _class(name: str) -> str:
    return name.rpartition(":")[2].rpartition(".")[2]


def _zone(zone: Any) -> str:
    if zone is None:
        return ""
    return f"[{zone['key']}]" if "key" in zone else _offset(zone["offset"])


def _offset(parts: Any) -> str:
    import datetime

    return str(datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(*parts))))[19:]
