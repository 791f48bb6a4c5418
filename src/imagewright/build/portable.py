"""A lock whose local files are named by where they are from the user's code: alike on every machine."""

from collections.abc import Callable
from os.path import normpath
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from imagewright.build.lock import Lock

_HERE = "file:"
_ABSOLUTE = "file:///"


def relative(lock: Lock, directory: Path) -> Lock:
    """The lock with ``file:dist/a.whl`` for a file below ``directory``; what lies elsewhere stays as it is."""

    def changed(url: str) -> str:
        if not url.startswith(_ABSOLUTE):
            return url
        path = Path(unquote(urlsplit(url).path))
        return _HERE + quote(path.relative_to(directory).as_posix()) if path.is_relative_to(directory) else url

    return Lock.from_json(_urls(lock.to_json(), changed))


def anchored(lock: Lock, directory: Path) -> Lock:
    """The other way of `relative`: the lock with whole ``file:`` URLs."""

    def changed(url: str) -> str:
        if not url.startswith(_HERE) or url.startswith(_ABSOLUTE):
            return url
        return "file://" + quote(normpath(directory / unquote(url.removeprefix(_HERE))))

    return Lock.from_json(_urls(lock.to_json(), changed))


def without_place(document: Any) -> Any:
    """A lock's plain values for strangers: no folder of this machine, and no token in the query of a URL."""

    def changed(url: str) -> str:
        if url.startswith(_ABSOLUTE):
            return _HERE + url.rpartition("/")[2]
        return urlsplit(url)._replace(query="", fragment="").geturl() if "://" in url else url

    return _urls(document, changed)


def _urls(value: Any, changed: Callable[[str], str]) -> Any:
    """The plain values with every URL of a file changed."""
    if isinstance(value, dict):
        return {key: _urls(item, changed) for key, item in value.items()}
    if isinstance(value, list):
        return [_urls(item, changed) for item in value]
    return changed(value) if isinstance(value, str) and (value.startswith(_HERE) or "://" in value) else value
