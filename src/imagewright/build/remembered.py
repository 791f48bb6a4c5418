"""Locks that were resolved before, remembered by what was asked."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from imagewright.build.lock import Lock
from imagewright.build.session import Session
from imagewright.errors import redacted
from imagewright.oci.digest import Digest, canonical_json, digest_of, hex_of
from imagewright.packages.pypi.indexes_pip import PipSettings

MAX_AGE_SECONDS = 24 * 3600
"""How long a resolved lock serves again. An image that was built keeps its lock for good: this is for the next one,
whose requirements are the same while its files, its registry or its environment differ."""

_FORMAT = 1


class RememberedLocks:
    """Asked -> `Lock`, a file each in a folder. Safe for several processes."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now

    def find(self, asked: Digest, *, any_age: bool = False) -> Lock | None:
        """The lock that this led to within the last day (``any_age``: ever), or None."""
        try:
            document = json.loads(self._path(asked).read_bytes())
            age = self._now() - document["resolved"]
            return Lock.from_json(document["lock"]) if any_age or 0 <= age < MAX_AGE_SECONDS else None
        except (OSError, ValueError, KeyError, TypeError):
            return None  # it can be resolved again

    def remember(self, asked: Digest, lock: Lock, resolved: int | None = None) -> None:
        """Keep the lock that this led to, now or at ``resolved`` (seconds since 1970)."""
        path = self._path(asked)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        temporary.write_bytes(
            canonical_json({"resolved": int(self._now()) if resolved is None else resolved, "lock": lock.to_json()})
        )
        temporary.replace(path)

    def _path(self, asked: Digest) -> Path:
        return self._folder / f"{hex_of(asked)}.json"


def question(requirements: Digest, pip: PipSettings, session: Session, parent: Lock | None = None) -> Digest:
    """The digest of everything that decides a lock but time: what is required, and the settings of the indexes.

    ``parent`` is the lock of a base that is a spec.
    """
    settings = {
        name: value
        for name, value in session.environ.items()
        if name.startswith("UV_") and not name.endswith(("_PASSWORD", "_USERNAME"))
    }
    values = {
        "format": _FORMAT,
        "requirements": requirements,
        "pip": {name: value for name, value in asdict(pip).items() if name != "notes"},
        "uv": settings,
        "mirror": session.debian_mirror,
        **({"parent": parent.to_json()} if parent else {}),
    }
    return digest_of(redacted(canonical_json(values).decode()).encode())
