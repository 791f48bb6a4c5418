"""Python values become documents: what has a plain form gets it, the rest is pickled with the reason."""

from __future__ import annotations

import base64
import datetime
import enum
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from imagewright.flow.forms import NoPlainForm, NotEncodable, text_of
from imagewright.flow.names import name_of

INLINE_SIZE = 1 << 16  # bytes up to this size stand in the document
PICKLE_PROTOCOL = 4  # the newest one that need not be changed for any Python from 3.4 on

_PLAIN = (type(None), bool, str)
_DELTA = datetime.timedelta(0)


class _Cycle(Exception):
    def __init__(self, target: int) -> None:
        super().__init__("it refers to itself")
        self.target = target


class Writer:
    """Encodes values, and puts their files into ``folder/files``.

    ``leaf`` is asked for each value of a type that has no form here: a document, or NotImplemented.
    """

    def __init__(self, folder: Path, leaf: Callable[[Any], Any] = lambda value: NotImplemented) -> None:
        self._folder = folder
        self._leaf = leaf
        self._files = 0
        self._open: set[int] = set()
        self._by_type: dict[type, Callable[[Any], Any]] = {
            bytes: self._bytes,
            bytearray: lambda value: dict(self._bytes(bytes(value)), type="bytearray"),
            complex: lambda value: {"$": "complex", "parts": [_float(value.real), _float(value.imag)]},
            list: self._list,
            tuple: lambda value: {"$": "tuple", "items": self._list(value)},
            set: lambda value: {"$": "set", "items": self._list(_ordered(value))},
            frozenset: lambda value: {"$": "frozenset", "items": self._list(_ordered(value))},
            dict: lambda value: {"$": "dict", "items": [[self.encode(k), self.encode(v)] for k, v in value.items()]},
            range: lambda value: {
                "$": "range",
                "items": [_int(part) for part in (value.start, value.stop, value.step)],
            },
            datetime.datetime: _datetime,
            datetime.date: lambda value: {"$": "date", "text": value.isoformat()},
            datetime.time: _time,
            datetime.timedelta: lambda value: {
                "$": "timedelta",
                "items": [value.days, value.seconds, value.microseconds],
            },
        }

    def encode(self, value: Any) -> Any:
        """The document of ``value``.

        Raises:
            NotEncodable: It has no plain form, and pickle does not take it.
        """
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is int:
            return _int(value)
        if kind is float:
            return _float(value)
        identity = id(value)
        if identity in self._open:
            raise _Cycle(identity)
        self._open.add(identity)
        try:
            return self._form(kind, value)
        except NoPlainForm as reason:
            return self._pickled(value, str(reason))
        except _Cycle as cycle:
            if cycle.target != identity:
                raise
            return self._pickled(value, str(cycle))
        finally:
            self._open.discard(identity)

    def new_file(self, name: str) -> tuple[str, Path]:
        """A file of this folder to write: as the document names it, and where it is. Each has a folder of its own."""
        self._files += 1
        relative = f"files/{self._files:04d}/{name}"
        path = self._folder / relative
        path.parent.mkdir(parents=True)
        return relative, path

    def _form(self, kind: type, value: Any) -> Any:
        plain = self._by_type.get(kind)
        if plain is not None:
            return plain(value)
        passed = self._leaf(value)
        if passed is not NotImplemented:
            return passed
        if isinstance(value, enum.Enum):
            return _enum(value)
        if isinstance(value, PurePath):
            return self._path(value)
        if isinstance(value, tuple) and hasattr(kind, "_fields") and kind.__bases__ == (tuple,):
            return {
                "$": "namedtuple",
                "type": name_of(kind) or _no_name(kind),
                "fields": list(kind._fields),
                "items": self._list(value),
            }
        if "__dataclass_fields__" in kind.__dict__:
            return self._dataclass(kind, value)
        if kind.__module__.partition(".")[0] in ("numpy", "pandas"):
            # A value of these types exists, so the package is loaded: no import of ours makes a task start slower.
            from imagewright.flow.frames import encode

            return encode(self, value)
        raise NoPlainForm(f"{kind.__module__}.{kind.__qualname__} has no plain form")

    def _list(self, values: Any) -> list[Any]:
        return [value if type(value) in _PLAIN else self.encode(value) for value in values]

    def _bytes(self, value: bytes) -> dict[str, Any]:
        if len(value) <= INLINE_SIZE:
            return {"$": "bytes", "base64": base64.b64encode(value).decode("ascii")}
        relative, path = self.new_file("bytes")
        path.write_bytes(value)
        return {"$": "bytes", "file": relative, "text": f"<{len(value)} bytes>"}

    def _dataclass(self, kind: Any, value: Any) -> Any:
        fields = kind.__dataclass_fields__
        if set(getattr(value, "__dict__", ())) - set(fields) - {"__orig_class__"}:
            raise NoPlainForm(f"this {kind.__qualname__} has attributes that are no fields")
        return {
            "$": "dataclass",
            "type": name_of(kind) or _no_name(kind),
            "fields": {name: self.encode(getattr(value, name)) for name in fields if hasattr(value, name)},
        }

    def _path(self, value: PurePath) -> Any:
        if not isinstance(value, Path):
            return {
                "$": "purepath",
                "flavour": "windows" if "Windows" in type(value).__name__ else "posix",
                "text": str(value),
            }
        if not value.exists():
            return {"$": "path", "text": str(value)}
        import shutil  # 3 ms of a task's start, and few values are files

        relative, target = self.new_file(os.path.basename(os.path.abspath(value)) or "root")
        if value.is_dir():
            shutil.copytree(value, target, symlinks=True)
        elif value.is_file():
            shutil.copy2(value, target)
        else:
            raise NotEncodable(f"{value} is neither a file nor a directory")
        return {"$": "path", "file": relative, "text": str(value)}

    def _pickled(self, value: Any, reason: str) -> Any:
        import pickle  # 2 ms of a task's start, for the values that have no plain form

        try:
            data = pickle.dumps(value, protocol=PICKLE_PROTOCOL)
        except Exception as error:  # a __reduce__ of a user's may raise anything
            raise NotEncodable(f"{reason}, and pickle does not take it: {type(error).__name__}: {error}") from error
        kind = type(value)
        document = self._bytes(data)
        document.update(
            {
                "$": "pickle",
                "type": f"{kind.__module__}:{kind.__qualname__}",
                "reason": reason,
                "python": "{}.{}".format(*sys.version_info[:2]),
                "text": text_of(value),
            }
        )
        return document


def _int(value: int) -> Any:
    # Python refuses to write or read very long decimal numbers; readers of JSON other than Python stop at 64 bits.
    return value if -(1 << 63) <= value < 1 << 63 else {"$": "int", "hex": hex(value)}


def _float(value: float) -> Any:
    return value if math.isfinite(value) else {"$": "float", "text": repr(value)}


def _zone(zone: Any) -> Any:
    """A time zone that is known by its name or by its offset."""
    if zone is None:
        return None
    if type(zone) is datetime.timezone:
        offset = zone.utcoffset(None)
        if zone.tzname(None) == datetime.timezone(offset).tzname(None):
            return {"offset": [offset.days, offset.seconds, offset.microseconds]}
    key = getattr(zone, "key", None)
    if type(zone).__module__.partition(".")[0] == "zoneinfo" and isinstance(key, str):
        return {"key": key}
    raise NoPlainForm(f"its time zone is of type {type(zone).__module__}.{type(zone).__qualname__}")


def _datetime(value: datetime.datetime) -> Any:
    text = value.replace(tzinfo=None).isoformat()
    return {"$": "datetime", "text": text, "zone": _zone(value.tzinfo), "fold": value.fold}


def _time(value: datetime.time) -> Any:
    return {
        "$": "time",
        "text": value.replace(tzinfo=None).isoformat(),
        "zone": _zone(value.tzinfo),
        "fold": value.fold,
    }


def _enum(value: enum.Enum) -> Any:
    kind = type(value)
    if kind.__members__.get(value.name) is not value:
        raise NoPlainForm(f"{value!r} is no single member of its enum")
    return {"$": "enum", "type": name_of(kind) or _no_name(kind), "name": value.name}


def _ordered(values: Any) -> list[Any]:
    """A set's items in one order, where they have one: equal sets give equal documents."""
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def _no_name(kind: type) -> Any:
    raise NoPlainForm(
        f"{kind.__module__}.{kind.__qualname__} cannot be found by that name: define it at the top of a module"
    )
