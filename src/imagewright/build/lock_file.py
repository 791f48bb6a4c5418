"""The lock as a file that people keep beside their code: pylock.toml, with the base image's packages in our own table.

Source: packaging.python.org, "pylock.toml Specification" 1.0; tools may add a table ``tool.<name>``.
"""

import tomllib
from typing import Any

import tomli_w

from imagewright.build.lock import Lock
from imagewright.errors import LockError
from imagewright.packages.pypi.pylock import write_lock

VERSION = 1


def lock_text(lock: Lock) -> str:
    """The lock as text. Equal locks give equal text, and pip and uv can install its packages."""
    document = tomllib.loads(write_lock(lock.wheels, lock.target))
    values = lock.to_json()
    table: dict[str, Any] = {"lock": VERSION, "asked": lock.asked, "base": _base_table(values["base"])}
    if values["apt"]:
        table["apt"] = [dict(zip(_DEB, deb, strict=True)) for deb in values["apt"]]
    return tomli_w.dumps({**document, "tool": {"imagewright": table}})


def read_lock(text: str, *, name: str) -> Lock:
    """The lock that `lock_text` wrote; ``name`` is the file's, for error texts.

    Raises:
        LockError: It is not one.
    """
    try:
        document = tomllib.loads(text)
        table = document["tool"]["imagewright"]
        if table["lock"] != VERSION:
            raise ValueError(f"its version is {table['lock']}, this imagewright reads {VERSION}")
        wheels = [_wheel(package) for package in document["packages"]]
        apt = [[deb[key] for key in _DEB] for deb in table.get("apt", ())]
        base = _base_values(table["base"])
        return Lock.from_json({"asked": table["asked"], "base": base, "wheels": wheels, "apt": apt})
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise LockError(
            f"{name} is not a lock of imagewright's",
            code="IW202",
            why=f"{type(error).__name__}: {error}",
            fix="imagewright lock --upgrade FILE writes it again",
        ) from error


def _base_table(base: dict[str, Any]) -> dict[str, Any]:
    """The base with names for what a lock has in rows; the lock of a spec below is one more level of it."""
    if "spec" in base:
        below = base["spec"]
        wheels = [dict(zip(_WHEEL, wheel, strict=True)) for wheel in below["wheels"]]
        return {"spec": {"asked": below["asked"], "base": _base_table(below["base"]), "wheels": wheels}}
    return {**base, "debs": [dict(zip(_DEB, deb, strict=True)) for deb in base["debs"]]} if "debs" in base else base


def _base_values(table: dict[str, Any]) -> dict[str, Any]:
    if "spec" in table:
        below = table["spec"]
        wheels = [[wheel[key] for key in _WHEEL] for wheel in below["wheels"]]
        return {"spec": {"asked": below["asked"], "base": _base_values(below["base"]), "wheels": wheels}}
    return {**table, "debs": [[deb[key] for key in _DEB] for deb in table["debs"]]} if "debs" in table else table


_WHEEL = ("name", "version", "url", "digest", "size")
_DEB = ("name", "version", "architecture", "url", "digest", "size")


def _wheel(package: dict[str, Any]) -> list[Any]:
    (wheel,) = package["wheels"]
    return [package["name"], package["version"], wheel["url"], f"sha256:{wheel['hashes']['sha256']}", wheel["size"]]
