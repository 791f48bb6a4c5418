"""Values of tasks in a folder: one JSON document of typed values, and files beside it.

``values.json`` is ``{"format": 1, "values": {name: document}}``. In a document None, bool, int, finite float, str and
list are JSON's own; everything else is an object whose ``"$"`` names its kind, and a file beside it is ``"file"``, a
path relative to the folder. Whoever only passes values on reads `Encoded` ones, so that a host never needs the packages
(or the Python) that a value was made with.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import TaskError
from imagewright.flow.decode import Reader
from imagewright.flow.encode import Writer
from imagewright.flow.forms import NotEncodable

VALUES = "values.json"
FORMAT = 1


@dataclass(frozen=True)
class Encoded:
    """A value that stays as it is written: its document, and the folder that the document's files are relative to."""

    document: Any
    folder: Path

    def select(self, path: tuple[Any, ...]) -> Encoded:
        """The part of it at ``path``: indexes, keys, and names of fields.

        Raises:
            LookupError: There is no such part.
        """
        document = self.document
        for step in path:
            document = _step(document, step)
        return Encoded(document, self.folder)


def write_values(values: Mapping[str, Any], folder: Path, *, of: str) -> None:
    """Write ``values`` into ``folder``, which is made; `Encoded` ones in them are passed on, their files linked.

    ``of`` is whose values they are, for errors: ``task 'total'``.

    Raises:
        TaskError: IW313, a value cannot be written; IW522, there is no space for it. Nothing can be read from the
            folder then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writer = Writer(folder, lambda leaf: _passed_on(writer, leaf) if isinstance(leaf, Encoded) else NotImplemented)
        documents = {name: _encoded(writer, name, value, of) for name, value in values.items()}
        text = json.dumps({"format": FORMAT, "values": documents}, allow_nan=False, separators=(",", ":"))
        (folder / VALUES).write_text(text, encoding="utf-8")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TaskError(
            f"no space is left for the values of {of}",
            code="IW522",
            why=f"{error.strerror}: values are handed from task to task in the folder for temporary files",
            fix="TMPDIR=/a/folder/with/more/space",
        ) from error


def read_values(folder: Path, *, of: str) -> dict[str, Any]:
    """The values in ``folder`` as Python objects. Paths among them lie inside the folder.

    Raises:
        TaskError: IW313, a value cannot be read here; for the most part because a package is absent.
    """
    reader = Reader(folder)
    return {name: _decoded(reader, name, document, of) for name, document in _documents(folder).items()}


def read_encoded(folder: Path) -> dict[str, Encoded]:
    """The values in ``folder`` as they are written there.

    Raises:
        ValueError: The folder holds no values of this format.
    """
    return {name: Encoded(document, folder) for name, document in _documents(folder).items()}


def _encoded(writer: Writer, name: str, value: Any, of: str) -> Any:
    try:
        return writer.encode(value)
    except (NotEncodable, OSError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TaskError(
            f"{of}: {name} cannot be passed on, it is {_kind(value)}",
            code="IW313",
            why=str(error) or type(error).__name__,
            fix="pass numbers, text, lists, dicts, dataclasses, paths, arrays, data frames, or what pickle takes",
        ) from error


def _decoded(reader: Reader, name: str, document: Any, of: str) -> Any:
    try:
        return reader.decode(document)
    except Exception as error:  # a pickle may raise anything
        raise TaskError(
            f"{of}: {name} cannot be read here",
            code="IW313",
            why=f"{type(error).__name__}: {error}",
            fix="let both images hold the packages that the value is made of, in versions that fit",
        ) from error


def _documents(folder: Path) -> dict[str, Any]:
    try:
        read = json.loads((folder / VALUES).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} holds no values: {error}") from error
    if not isinstance(read, dict) or read.get("format") != FORMAT:
        raise ValueError(f"{folder / VALUES} is not of format {FORMAT}")
    values = read["values"]
    if not isinstance(values, dict):
        raise ValueError(f"{folder / VALUES} names no values")
    return values


def _step(document: Any, step: Any) -> Any:
    """One step into a document, without decoding what is there."""
    if isinstance(document, list):
        return document[step]
    kind = document.get("$") if isinstance(document, dict) else None
    if kind in ("tuple", "namedtuple") and isinstance(step, int):
        return document["items"][step]
    if kind == "namedtuple":
        return document["items"][document["fields"].index(step)] if step in document["fields"] else _missing(step)
    if kind == "dataclass":
        return document["fields"][step]
    if kind == "dict":
        for key, value in document["items"]:
            if type(key) is type(step) and key == step:
                return value
    return _missing(step)


def _missing(step: Any) -> Any:
    raise KeyError(step)


def _passed_on(writer: Writer, leaf: Encoded) -> Any:
    """The leaf's document, with its files linked into the writer's folder under names of their own."""
    home = leaf.folder.resolve()

    def moved(document: Any) -> Any:
        if isinstance(document, list):
            return [moved(item) for item in document]
        if not isinstance(document, dict):
            return document
        copy = {key: moved(item) for key, item in document.items()}
        if isinstance(document.get("file"), str) and "$" in document:
            source = (home / document["file"]).resolve()
            # The document was written by a task. It names its own files, never one of this machine.
            if home not in source.parents:
                raise NotEncodable(f"the value names the file {document['file']!r}, which is not its own")
            copy["file"], target = writer.new_file(source.name)
            _link(source, target)
        return copy

    return moved(leaf.document)


def _link(source: Path, target: Path) -> None:
    """The same file or tree under another name: hard links where they can be had, else a copy. Runners give inputs read-only."""
    import shutil  # 3 ms of a task's start, and only a host passes files on

    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=_link_file)
    else:
        _link_file(str(source), str(target))


def _link_file(source: str, target: str) -> str:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        import shutil

        shutil.copy2(source, target, follow_symlinks=False)
    return target


def _kind(value: Any) -> str:
    return f"of type {type(value).__module__}.{type(value).__qualname__}"
