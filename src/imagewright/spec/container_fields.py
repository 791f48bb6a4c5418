"""The fields that say what a container starts with and what is said of the image: env, labels, annotations, user, workdir."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from imagewright.spec.frozen import FrozenDict
from imagewright.spec.refused import Refused

OURS = "dev.imagewright."
"""What the labels and annotations that imagewright sets itself start with."""

_ENV_NAME = re.compile(r"[^=\0\s][^=\0]*")
_LABEL = re.compile(r"[^\0-\x20\x7f]+")
_USER = re.compile(r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*\$?)(?::(?P<group>[A-Za-z0-9_][A-Za-z0-9_.-]*\$?))?")
_MOST_ID = 0xFFFFFFFE  # the last one is "no user" to the kernel


def check_env(field: str, value: Any) -> FrozenDict:
    """Environment variables: any text as a value. Neither a name nor a value can hold NUL, nor a name ``=``."""
    return _texts(field, value, "a variable's name", _ENV_NAME)


def check_labels(field: str, value: Any) -> FrozenDict:
    """Labels or annotations: names without spaces, any text as a value.

    Source: OCI image-spec v1.1, annotations.md, "Rules".
    """
    texts = _texts(field, value, "a label's name", _LABEL)
    for name in texts:
        if name.startswith(OURS):
            raise Refused(
                field,
                name,
                "is one that imagewright sets itself",
                fix="a name of your own: com.example.name",
                part=name,
            )
    return texts


def check_user(field: str, value: Any) -> str | None:
    """``name``, ``uid``, ``name:group`` or ``uid:gid``; a number may be given as one.

    Source: OCI image-spec v1.1, config.md, "User".
    """
    if value is None:
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _USER.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Refused(field, value, "is no user", fix=f'{field}="1000:1000", "root" or another name', part=value)
    if any(part and part.isdigit() and int(part) > _MOST_ID for part in match.groups()):
        raise Refused(field, value, f"is above {_MOST_ID}, the highest id", fix=f'{field}="1000:1000"', part=value)
    return match[0]


def check_workdir(field: str, value: Any) -> str | None:
    """An absolute path, without ``..`` and needless slashes."""
    if value is None:
        return None
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise Refused(field, value, "is no path", fix=f'{field}="/root"', part=value)
    if not text.startswith("/") or ".." in text.split("/"):
        better = posixpath.normpath(posixpath.join("/root", text))
        raise Refused(field, value, "is not an absolute path in the image", fix=f'{field}="{better}"', part=value)
    return "/" + posixpath.normpath(text).lstrip("/")


def _texts(field: str, value: Any, kind: str, names: re.Pattern[str]) -> FrozenDict:
    if value is None:
        return FrozenDict({})
    if not isinstance(value, Mapping):
        raise Refused(field, value, f"is a {type(value).__name__}, not a dict", fix=f'{field}={{"NAME": "value"}}')
    for name, content in value.items():
        if not isinstance(name, str) or not names.fullmatch(name) or not _is_text(name):
            raise Refused(field, name, f"is not {kind}", fix=f'{field}={{"NAME": "value"}}', part=name)
        shown = f"{field}[{name!r}]"
        if not isinstance(content, str):
            raise Refused(shown, content, "is not a string", fix=f'{field}={{"{name}": "{content}"}}', part=content)
        if "\0" in content:
            raise Refused(shown, content, "holds a NUL character", fix="take it out", part=name)
        if not _is_text(content):
            raise Refused(shown, content, "is not text: it cannot be UTF-8", fix="take the odd bytes out", part=name)
    return FrozenDict(value)


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


CONTAINER_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "labels": check_labels,
    "annotations": check_labels,
    "user": check_user,
    "workdir": check_workdir,
}
"""The fields of it that flytekit has not; they are given by keyword."""
