"""What ``secrets`` may hold: where each comes from, and never what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from imagewright.spec.frozen import FrozenDict
from imagewright.spec.refused import Refused

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?<![.])")


def secret_sources(field: str, value: Any) -> FrozenDict:
    """Name -> ``env:NAME`` or ``file:PATH``. A value that was written in its place is not repeated in the error."""
    fix = f'{field}={{"TOKEN": "env:TOKEN", "netrc": "file:~/.netrc"}}'
    if value is None:
        return FrozenDict({})
    if not isinstance(value, Mapping):
        raise Refused(field, ..., f"is a {type(value).__name__}, not a dict", fix=fix, hidden=True)
    for name, source in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused(field, ..., "has a name with more in it than letters, digits, _ . -", fix=fix, hidden=True)
        kind, _, place = source.partition(":") if isinstance(source, str) else ("", "", "")
        if kind not in ("env", "file") or not place.strip() or "\0" in place:
            raise Refused(
                f"{field}[{name!r}]",
                ...,
                "says neither which environment variable nor which file has it; a value is not written here",
                fix=fix,
                hidden=True,
            )
    return FrozenDict(value)
