"""The real network: directly, or through a proxy."""

import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imagewright.errors import NetworkError, redacted
from imagewright.transport.sender import (
    SEND_SECONDS,
    Answer,
    Sender,
    Timeouts,
    host_of,
    is_loopback,
    place_of,
    unanswered,
)

if TYPE_CHECKING:
    import ssl

    import httpx2

CHUNK = 1 << 18  # TLS gives 16 KiB at a time, and each piece passes through several hands
_PROXIES = frozenset(("http_proxy", "https_proxy", "all_proxy"))


class Network:
    """The real `Sender`: `Direct` to this machine and where no proxy is set, else `Proxied`; docs/decisions/0041."""

    def __init__(self, certificates: Collection[Path] = ()) -> None:
        self._lock = threading.Lock()
        self._certificates = certificates
        self._contexts: dict[tuple[Path, ...], ssl.SSLContext] = {}
        self._direct: Sender | None = None
        self._proxied: Sender | None = None

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Answer:
        """The answer, a redirect included."""
        return self._sender(url).send(method, url, headers, content, timeouts)

    def close(self) -> None:
        """Let go of all connections. A later request opens new ones."""
        for sender in (self._direct, self._proxied):
            if sender is not None:
                sender.close()

    def _sender(self, url: str) -> Sender:
        direct = is_loopback(host_of(url)) or not has_proxy(os.environ)
        with self._lock:
            if direct:
                if self._direct is None:
                    from imagewright.transport.direct import Direct  # 10 ms, for http.client

                    self._direct = Direct(self._context)
                return self._direct
            if self._proxied is None:
                self._proxied = Proxied(self._context)
            return self._proxied

    def _context(self, place: str) -> "ssl.SSLContext":
        from imagewright.transport import certificates  # what only TLS pays

        folders = certificates.folders_for(place, self._certificates)
        with self._lock:
            if folders not in self._contexts:
                self._contexts[folders] = certificates.trusted(os.environ, folders)
            return self._contexts[folders]


def has_proxy(environ: Mapping[str, str]) -> bool:
    """Whether there may be a proxy on the way to some host."""
    if any(value and name.lower() in _PROXIES for name, value in environ.items()):
        return True
    if sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies  # what the system itself has set

        return bool(getproxies())
    return False


class Proxied:
    """A `Sender` through the proxies of the environment: httpx2, which knows them all, and NO_PROXY."""

    def __init__(self, context: "Callable[[str], ssl.SSLContext]") -> None:
        self._lock = threading.Lock()
        self._context = context
        self._pools: dict[ssl.SSLContext, httpx2.Client] = {}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Answer:
        """The answer, a redirect included."""
        import httpx2

        client = self._client(url)
        limits = httpx2.Timeout(SEND_SECONDS, connect=timeouts.connect, read=timeouts.answer, pool=None)
        try:
            request = client.build_request(method, url, headers=dict(headers), content=content, timeout=limits)
            return _HttpxAnswer(client.send(request, stream=True, follow_redirects=False))
        except httpx2.TransportError as error:
            raise unanswered(error) from error
        except httpx2.InvalidURL as error:
            raise NetworkError(f"{redacted(url)} is not a URL", code="IW502", why=str(error)) from error

    def close(self) -> None:
        """Let go of all connections. A later request opens new ones."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _client(self, url: str) -> "httpx2.Client":
        import httpx2

        context = self._context(place_of(url))
        with self._lock:
            if context not in self._pools:
                self._pools[context] = httpx2.Client(verify=context, headers={"user-agent": "imagewright"})
            return self._pools[context]


class _HttpxAnswer:
    def __init__(self, response: "httpx2.Response") -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        import httpx2

        gathered, size = [], 0
        try:
            for piece in self._response.iter_raw():
                gathered.append(piece)
                size += len(piece)
                if size >= CHUNK:
                    yield b"".join(gathered)
                    gathered, size = [], 0
        except httpx2.TransportError as error:
            if gathered:  # what has come counts: whoever resumes goes on from there
                yield b"".join(gathered)
            raise unanswered(error) from error
        if gathered:
            yield b"".join(gathered)

    def close(self) -> None:
        self._response.close()
