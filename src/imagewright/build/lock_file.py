"""The lock as a file that people keep beside their code: pylock.toml, with all but the wheels in our own table.

Source: packaging.python.org, "pylock.toml Specification" 1.0; tools may add a table ``tool.<name>``.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import tomli_w

from imagewright.build.ingredients import Ingredients, lock_file_ingredients, requiring
from imagewright.build.lock import Lock
from imagewright.errors import LockError
from imagewright.oci.digest import canonical_json
from imagewright.packages.pypi.pylock import read_package, write_lock

VERSION = 1

_WHEEL = ("name", "version", "url", "digest", "size")
_DEB = ("name", "version", "architecture", "url", "digest", "size")
_CONDA = ("name", "version", "build", "noarch", "url", "digest", "size")
_COLUMNS = {"wheels": _WHEEL, "apt": _DEB, "debs": _DEB, "locked": _CONDA}
"""What a lock has in rows gets names for the columns: a reviewer reads it."""

_UP = "../"  # the file lies in a folder of its own, beside the code that local files are named from


def lock_text(lock: Lock, content: Mapping[str, Any]) -> str:
    """The lock as text, with what of a spec's ``content`` it answers. Equal locks give equal text.

    pip and uv can install its packages. Local files are named from the folder above the file's, as
    `imagewright.build.portable.relative` gives them.
    """
    document = tomllib.loads(write_lock(lock.wheels, lock.target))
    for package in document["packages"]:
        for wheel in package.get("wheels", ()):
            if wheel["url"].startswith("file:") and not wheel["url"].startswith("file:/"):
                wheel["path"] = _UP + unquote(wheel.pop("url").removeprefix("file:"))
    table = _named(lock.to_json())
    del table["wheels"]
    table.pop("sources", None)  # the packages have them
    required = json.loads(canonical_json(requiring(content)))  # in one order, wherever it comes from
    own = {"lock": VERSION, **({"required": required} if required else {}), **table}
    return tomli_w.dumps({**document, "tool": {"imagewright": own}})


def read_lock_file(text: str, *, name: str) -> Ingredients:
    """What `lock_text` wrote; local files have relative URLs. ``name`` is the file's, for error texts.

    Raises:
        LockError: It is not one.
    """
    try:
        document = tomllib.loads(text)
        table = document["tool"]["imagewright"]
        if table["lock"] != VERSION:
            raise ValueError(f"its version is {table['lock']}, this imagewright reads {VERSION}")
        locked = [read_package(_with_url(package)) for package in document["packages"]]
        wheels = [[wheel.name, wheel.version, wheel.file.url, wheel.file.digest, wheel.file.size] for wheel in locked]
        sources = {wheel.name: wheel.source.to_json() for wheel in locked if wheel.source is not None}
        lock = Lock.from_json({**_rows(table), "wheels": wheels, "sources": sources})
        return lock_file_ingredients(lock, table.get("required", {}))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise LockError(
            f"{name} is not a lock of imagewright's",
            code="IW209",
            why=f"{type(error).__name__}: {error}",
            fix="imagewright lock --upgrade FILE writes it again",
        ) from error


def read_lock(path: Path) -> Ingredients:
    """The lock file at ``path``.

    Raises:
        LockError: It is not one, or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LockError(f"the lock file {path.name} cannot be read", code="IW209", why=str(error)) from error
    return read_lock_file(text, name=path.name)


def _named(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: [dict(zip(_COLUMNS[key], row, strict=True)) for row in item] if key in _COLUMNS else _named(item)
        for key, item in value.items()
        if item or key not in ("apt",)
    }


def _rows(table: Any) -> Any:
    """The other way of `_named`."""
    if not isinstance(table, dict):
        return table
    return {
        key: [[row[column] for column in _COLUMNS[key]] for row in item] if key in _COLUMNS else _rows(item)
        for key, item in table.items()
    }


def _with_url(package: dict[str, Any]) -> dict[str, Any]:
    """A package's table whose wheel has a relative URL for the path that the file has."""
    wheels = [
        {**wheel, "url": "file:" + quote(wheel["path"].removeprefix(_UP))} if "path" in wheel else wheel
        for wheel in package.get("wheels", ())
    ]
    return {**package, "wheels": wheels} if wheels else package
