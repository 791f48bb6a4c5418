"""The real network: the only module that imports httpx2."""

import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagewright.errors import NetworkError, redacted
from imagewright.transport.sender import Answer, Timeouts, Unanswered, host_of, is_loopback

if TYPE_CHECKING:
    import httpx2

SEND_SECONDS = 300.0  # for one chunk of a body to be taken


class Network:
    """The real `Sender`: httpx2, which costs 0.2 s to import and set up, half of it for TLS.

    So it is imported when it is first needed, the TLS context is made for the first address that is not loopback, and
    the one request of a build that has nothing to do (a HEAD, to a registry on this machine) takes the standard
    library's client, 0.04 s.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[bool, httpx2.Client] = {}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Answer:
        """The answer, a redirect included."""
        direct = urlsplit(url).scheme == "http" and is_loopback(host_of(url))
        if direct and method == "HEAD":
            return _head(url, headers, timeouts)
        client = self._client(direct)
        import httpx2

        limits = httpx2.Timeout(SEND_SECONDS, connect=timeouts.connect, read=timeouts.answer, pool=None)
        try:
            request = client.build_request(method, url, headers=dict(headers), content=content, timeout=limits)
            return _HttpxAnswer(client.send(request, stream=True, follow_redirects=False))
        except httpx2.TransportError as error:
            raise _unanswered(error) from error
        except httpx2.InvalidURL as error:
            raise NetworkError(f"{redacted(url)} is not a URL", code="IW502", why=str(error)) from error

    def close(self) -> None:
        """Let go of all connections. A later request opens new ones."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, direct: bool) -> "httpx2.Client":
        """The pool for loopback addresses, or the one for everything else."""
        import httpx2

        with self._lock:
            if direct not in self._clients:
                verify = False if direct else httpx2.create_ssl_context()
                bundle = os.environ.get("REQUESTS_CA_BUNDLE")
                if bundle and not isinstance(verify, bool):
                    folder = os.path.isdir(bundle)
                    verify.load_verify_locations(capath=bundle if folder else None, cafile=None if folder else bundle)
                self._clients[direct] = httpx2.Client(
                    verify=verify, trust_env=not direct, headers={"user-agent": "imagewright"}
                )
            return self._clients[direct]


class _HttpxAnswer:
    def __init__(self, response: "httpx2.Response") -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        import httpx2

        try:
            yield from self._response.iter_raw()
        except httpx2.TransportError as error:
            raise _unanswered(error) from error

    def close(self) -> None:
        self._response.close()


class _NoBody:
    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers

    def chunks(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""


def _head(url: str, headers: Mapping[str, str], timeouts: Timeouts) -> Answer:
    """A HEAD request without httpx2."""
    import http.client

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeouts.answer)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("HEAD", target or "/", headers={"user-agent": "imagewright", **headers})
        answer = connection.getresponse()
        return _NoBody(answer.status, {name.lower(): value for name, value in answer.getheaders()})
    except (OSError, http.client.HTTPException) as error:
        raise _unanswered(error) from error
    finally:
        connection.close()


def _unanswered(error: BaseException) -> Unanswered:
    """What went wrong, in words: httpx2 and httpcore2 wrap the socket's own error."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, ConnectionRefusedError):
            return Unanswered("connection refused", "refused")
        if isinstance(cause, socket.gaierror):
            known = cause.errno == socket.EAI_NONAME
            return Unanswered(cause.strerror or "name not resolved", "no such host" if known else "transient")
        if type(cause).__name__ == "SSLCertVerificationError":
            return Unanswered(getattr(cause, "verify_message", "") or str(cause), "untrusted")
    if isinstance(error, TimeoutError) or type(error).__name__.endswith("Timeout"):
        return Unanswered("connecting timed out" if "Connect" in type(error).__name__ else "timed out")
    return Unanswered(redacted(str(error)) or type(error).__name__)
