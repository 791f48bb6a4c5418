"""Logins for package indexes: kept in memory, handed to the downloader as headers, never stored or shown."""

import netrc
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imagewright.dataclass import dataclass

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Logins:
    """Who imagewright is, for each index. ``known`` maps an origin (scheme, host, port) to a header's value.

    A login goes to the very origin that it was configured for, and nowhere else; a netrc file goes by the host, over
    https or to this machine alone.
    """

    known: Mapping[tuple[str, str, int], str] = field(default_factory=dict, repr=False)
    netrc: Path | None = None

    def headers(self, url: str) -> dict[str, str]:
        """The headers that a request for ``url`` needs."""
        origin = _origin(url)
        if origin is None:
            return {}
        value = self.known.get(origin) or self._from_netrc(origin)
        return {"Authorization": value} if value else {}

    def _from_netrc(self, origin: tuple[str, str, int]) -> str | None:
        scheme, host, _ = origin
        if self.netrc is None or not (scheme == "https" or host in ("localhost", "127.0.0.1", "::1")):
            return None
        try:
            entry = netrc.netrc(self.netrc).hosts.get(host)
        except (OSError, netrc.NetrcParseError):
            return None
        return _basic(entry[0], entry[2] or "") if entry else None


def read_logins(urls: Iterable[str], environ: Mapping[str, str]) -> Logins:
    """The logins in these index URLs (``name=url`` as well, whose login uv reads from ``UV_INDEX_NAME_PASSWORD``)."""
    known: dict[tuple[str, str, int], str] = {}
    for text in urls:
        name, url = split_name(text)
        parts, origin = urlsplit(url), _origin(url)
        if origin is None:
            continue
        variable = "UV_INDEX_" + "".join(char if char.isalnum() else "_" for char in name).upper()
        user = unquote(parts.username or "") or (name and environ.get(f"{variable}_USERNAME")) or ""
        password = unquote(parts.password or "") or (name and environ.get(f"{variable}_PASSWORD")) or ""
        if user or password:
            known.setdefault(origin, _basic(user, password))
    return Logins(known, netrc_file(environ))


def netrc_file(environ: Mapping[str, str]) -> Path | None:
    """The netrc file that pip and uv would read."""
    named = environ.get("NETRC")
    path = Path(named) if named else Path(environ.get("HOME", "")) / ".netrc"
    return path if path.is_file() else None


def split_name(text: str) -> tuple[str, str]:
    """``name=url`` as uv writes an index, or ``("", url)``."""
    name, equals, url = text.partition("=")
    return (name, url) if equals and "/" not in name and ":" not in name else ("", text)


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname and port else None


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
