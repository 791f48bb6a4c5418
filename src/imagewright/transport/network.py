"""The real network: the only module that imports httpx2."""

import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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
    import httpx2

CHUNK = 1 << 18  # TLS gives 16 KiB at a time, and each piece passes through several hands


class Network:
    """The real `Sender`: `Loopback` for http:// to this machine, `Remote` for everything else."""

    def __init__(self, certificates: Collection[Path] = ()) -> None:
        self._lock = threading.Lock()
        self._loopback: Sender | None = None
        self._remote = Remote(certificates)

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
        if self._loopback is not None:
            self._loopback.close()
        self._remote.close()

    def _sender(self, url: str) -> Sender:
        if urlsplit(url).scheme != "http" or not is_loopback(host_of(url)):
            return self._remote
        with self._lock:
            if self._loopback is None:
                from imagewright.transport.loopback import Loopback  # 10 ms, for http.client

                self._loopback = Loopback()
            return self._loopback


class Remote:
    """A `Sender` with TLS and proxies: httpx2, which costs 0.2 s to import and set up, half of it for TLS.

    So it is imported when it is first needed. Hosts that have a folder in one of ``certificates`` have a pool of their own.
    """

    def __init__(self, certificates: Collection[Path] = ()) -> None:
        self._lock = threading.Lock()
        self._certificates = certificates
        self._pools: dict[tuple[bool, tuple[Path, ...]], httpx2.Client] = {}

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

        folders: tuple[Path, ...] = ()
        if self._certificates:
            from imagewright.transport import certificates  # most hosts need none of their own

            folders = certificates.folders_for(place_of(url), self._certificates)
        here = is_loopback(host_of(url))  # no proxy comes between this machine and itself
        with self._lock:
            if (here, folders) not in self._pools:
                verify = httpx2.create_ssl_context()
                if bundle := os.environ.get("REQUESTS_CA_BUNDLE"):
                    folder = os.path.isdir(bundle)
                    verify.load_verify_locations(capath=bundle if folder else None, cafile=None if folder else bundle)
                if folders:
                    certificates.load(verify, folders)
                headers = {"user-agent": "imagewright"}
                self._pools[here, folders] = httpx2.Client(verify=verify, headers=headers, trust_env=not here)
            return self._pools[here, folders]


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
