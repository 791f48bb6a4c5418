"""The lock as a file that people keep beside their code: pylock.toml, with the base image's packages in our own table.

Source: packaging.python.org, "pylock.toml Specification" 1.0; tools may add a table ``tool.<name>``.
"""

import tomllib
from typing import Any

import tomli_w

from imagewright.build.lock import Lock
from imagewright.errors import LockError
from imagewright.packages.deb.base import plan_base
from imagewright.packages.pypi.pylock import write_lock

VERSION = 1


def lock_text(lock: Lock) -> str:
    """The lock as text. Equal locks give equal text, and pip and uv can install its packages."""
    document = tomllib.loads(write_lock(lock.wheels, plan_base(lock.base).target))
    base = lock.to_json()["base"]
    table = {
        "lock": VERSION,
        "asked": lock.asked,
        "base": {
            **{key: base[key] for key in ("release", "python", "platform")},
            "debs": [dict(zip(_DEB, deb, strict=True)) for deb in base["debs"]],
        },
    }
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
        base = {**table["base"], "debs": [[deb[key] for key in _DEB] for deb in table["base"]["debs"]]}
        return Lock.from_json(
            {"asked": table["asked"], "base": base, "wheels": [_wheel(package) for package in document["packages"]]}
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise LockError(
            f"{name} is not a lock of imagewright's",
            code="IW202",
            why=f"{type(error).__name__}: {error}",
            fix="imagewright lock --upgrade FILE writes it again",
        ) from error


_DEB = ("name", "version", "architecture", "url", "digest", "size")


def _wheel(package: dict[str, Any]) -> list[Any]:
    (wheel,) = package["wheels"]
    return [package["name"], package["version"], wheel["url"], f"sha256:{wheel['hashes']['sha256']}", wheel["size"]]
