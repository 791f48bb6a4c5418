"""Documents become Python values again, in the process that needs them."""

from __future__ import annotations

import base64
import datetime
import io
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from imagewright.flow.names import find

# Private modules that pickles of one version name and another version calls differently.
_MOVED = (("pathlib._local", "pathlib"), ("numpy._core", "numpy.core"), ("numpy.core", "numpy._core"))


class Reader:
    """Decodes documents whose files lie in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_kind: dict[str, Callable[[dict[str, Any]], Any]] = {
            "int": lambda document: int(document["hex"], 16),
            "float": lambda document: float(document["text"]),
            "complex": lambda document: complex(*self._items(document["parts"])),
            "bytes": self._bytes,
            "tuple": lambda document: tuple(self._items(document["items"])),
            "set": lambda document: set(self._items(document["items"])),
            "frozenset": lambda document: frozenset(self._items(document["items"])),
            "range": lambda document: range(*self._items(document["items"])),
            "dict": lambda document: {self.decode(k): self.decode(v) for k, v in document["items"]},
            "datetime": lambda document: datetime.datetime.fromisoformat(document["text"]).replace(**_zone(document)),
            "date": lambda document: datetime.date.fromisoformat(document["text"]),
            "time": lambda document: datetime.time.fromisoformat(document["text"]).replace(**_zone(document)),
            "timedelta": lambda document: datetime.timedelta(*document["items"]),
            "enum": lambda document: find(document["type"])[document["name"]],
            "namedtuple": lambda document: tuple.__new__(find(document["type"]), self._items(document["items"])),
            "dataclass": self._dataclass,
            "purepath": lambda document: (PureWindowsPath if document["flavour"] == "windows" else PurePosixPath)(
                document["text"]
            ),
            "path": lambda document: self.file(document) if "file" in document else Path(document["text"]),
            "pickle": self._pickle,
        }

    def decode(self, document: Any) -> Any:
        """The value of ``document``. Raises whatever the value's own type raises."""
        if isinstance(document, list):
            return self._items(document)
        if not isinstance(document, dict):
            return document
        kind = document["$"]
        plain = self._by_kind.get(kind)
        if plain is not None:
            return plain(document)
        from imagewright.flow.frames import decode

        return decode(self, document)

    def file(self, document: dict[str, Any]) -> Path:
        """Where the document's file is."""
        return self._folder.joinpath(document["file"])

    def _items(self, documents: Any) -> Any:
        return [self.decode(item) if isinstance(item, (dict, list)) else item for item in documents]

    def _bytes(self, document: dict[str, Any]) -> Any:
        data = base64.b64decode(document["base64"]) if "base64" in document else self.file(document).read_bytes()
        return bytearray(data) if document.get("type") == "bytearray" else data

    def _dataclass(self, document: dict[str, Any]) -> Any:
        # Not through __init__: the fields are what they were, whatever __post_init__ would make of them.
        value = object.__new__(find(document["type"]))
        for name, field in document["fields"].items():
            object.__setattr__(value, name, self.decode(field))
        return value

    def _pickle(self, document: dict[str, Any]) -> Any:
        try:
            return _unpickled(self._bytes(dict(document, type="")))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise ValueError(
                f"a {document['type']}, pickled by Python {document['python']} because {document['reason']}: {said}"
            ) from error


def _unpickled(data: bytes) -> Any:
    import pickle  # 2 ms of a task's start, for the values that have no plain form

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            try:
                return super().find_class(module, name)
            except ImportError:
                for old, new in _MOVED:
                    if module == old or module.startswith(old + "."):
                        return super().find_class(new + module[len(old) :], name)
                raise

    return Unpickler(io.BytesIO(data)).load()


def _zone(document: dict[str, Any]) -> dict[str, Any]:
    zone = document["zone"]
    if zone is None:
        return {"fold": document["fold"]}
    if "key" in zone:
        from zoneinfo import ZoneInfo

        return {"tzinfo": ZoneInfo(zone["key"]), "fold": document["fold"]}
    return {"tzinfo": datetime.timezone(datetime.timedelta(*zone["offset"])), "fold": document["fold"]}
