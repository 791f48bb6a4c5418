"""HTTP without a proxy: the standard library's client, with connections that are kept."""

import base64
import http.client
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from imagewright.errors import NetworkError, redacted
from imagewright.transport.sender import SEND_SECONDS, Answer, Timeouts, Unanswered, place_of, unanswered

CHUNK = 1 << 18
IDLE_SECONDS = 5.0
"""A connection that nobody used for so long is not used again: what lies between may have forgotten it, without a word."""

_KEPT = "/?:@!$&'()*+,;=%~-._[]"  # what a request's target may hold as it is (RFC 3986, sections 2.2 and 2.3)


class _Place(NamedTuple):
    scheme: str
    host: str
    port: int


class Direct:
    """A `Sender` for http:// and https:// that asks no proxy. It is there in 10 ms, and with TLS in 35, where httpx2 takes 120.

    Reading a large body takes half of httpx2's processor time. ``context`` is asked what is trusted by whoever connects to a host[:port].
    """

    def __init__(self, context: Callable[[str], ssl.SSLContext]) -> None:
        self._lock = threading.Lock()
        self._context = context
        self._idle: dict[_Place, list[tuple[http.client.HTTPConnection, float]]] = {}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Answer:
        """The answer, a redirect included."""
        parts, place = _split(url)
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_KEPT)
        if parts.username and "authorization" not in headers:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers = {**headers, "authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        connection = self._taken(place) or self._connected(place, url, timeouts)
        try:
            connection.sock.settimeout(SEND_SECONDS)
            whole = _sent(connection, method, target, {"user-agent": "imagewright", **headers}, content)
            connection.sock.settimeout(timeouts.answer)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise unanswered(error) from error
        except BaseException:  # the content's own failure, or an interrupt: what was sent is half a request
            connection.close()
            raise
        return _Answer(answer, lambda reusable: self._give_back(place, connection, reusable and whole))

    def close(self) -> None:
        """Let go of all connections that nobody uses."""
        with self._lock:
            idle = [connection for connections in self._idle.values() for connection, _ in connections]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def __del__(self) -> None:
        self.close()

    def _taken(self, place: _Place) -> http.client.HTTPConnection | None:
        """A connection that was kept, and that the other side has not closed in the meantime."""
        while True:
            with self._lock:
                connections = self._idle.get(place)
                if not connections:
                    return None
                connection, since = connections.pop()
            if connection.sock is not None and time.monotonic() - since < IDLE_SECONDS and not _readable(connection):
                return connection
            connection.close()

    def _give_back(self, place: _Place, connection: http.client.HTTPConnection, reusable: bool) -> None:
        if not reusable or connection.sock is None:
            connection.close()
            return
        with self._lock:
            self._idle.setdefault(place, []).append((connection, time.monotonic()))

    def _connected(self, place: _Place, url: str, timeouts: Timeouts) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        try:
            if place.scheme == "https":
                connection = http.client.HTTPSConnection(
                    place.host, place.port, timeout=timeouts.connect, context=self._context(place_of(url))
                )
            else:
                connection = http.client.HTTPConnection(place.host, place.port, timeout=timeouts.connect)
        except http.client.InvalidURL as error:
            raise _no_url(url, str(error)) from error
        connection.response_class = _WholeHead
        try:
            connection.connect()
        except TimeoutError as error:
            connection.close()
            raise Unanswered("connecting timed out") from error
        except OSError as error:
            connection.close()
            raise unanswered(error) from error
        return connection


def _split(url: str) -> tuple[SplitResult, _Place]:
    try:
        parts = urlsplit(url)
        place = _Place(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        place.host.encode("idna")
    except ValueError as error:  # of brackets, of a port, or of a name that no host can have
        raise _no_url(url, str(error)) from error
    if place.scheme not in ("http", "https"):
        raise _no_url(url, "it is neither http nor https")
    if not place.host:
        raise _no_url(url, "it names no host")
    return parts, place


def _no_url(url: str, why: str) -> NetworkError:
    return NetworkError(f"{redacted(url)} is not a URL", code="IW502", why=why)


class _WholeHead(http.client.HTTPResponse):
    """An answer whose head is all there: http.client takes the end of a connection for the end of the headers."""

    def begin(self) -> None:
        source = self.fp
        self.fp = _Lines(source)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if isinstance(self.fp, _Lines):
                self.fp = source


class _Lines:
    """Lines of a file, each with its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readline(self, limit: int = -1) -> bytes:
        line = self._file.readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise http.client.RemoteDisconnected("the connection was closed in the middle of an answer's headers")
        return line

    def close(self) -> None:
        self._file.close()


class _Answer:
    def __init__(self, response: http.client.HTTPResponse, done: Callable[[bool], None]) -> None:
        self.status = response.status
        headers: dict[str, str] = {}
        for name, value in response.getheaders():  # what comes twice is one list (RFC 9110, section 5.3)
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        self.headers: Mapping[str, str] = headers
        self._response, self._done = response, done

    def chunks(self) -> Iterator[bytes]:
        try:
            while chunk := self._response.read(CHUNK):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise unanswered(error) from error
        if self._response.length:  # http.client does not say so itself when it reads in pieces
            raise Unanswered(f"the answer ended {self._response.length} bytes early")

    def close(self) -> None:
        response = self._response
        complete = response.isclosed() or response.length == 0
        response.close()
        self._done(complete and not response.will_close)


def _sent(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: Mapping[str, str],
    content: bytes | Iterable[bytes] | None,
) -> bool:
    """Send a request, and say whether all of it was taken. Who refuses a body may answer without reading it."""
    try:
        connection.request(method, target, body=content, headers=headers)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return False
    return True


def _readable(connection: http.client.HTTPConnection) -> bool:
    """Whether there is something to read where nothing is due: the end of the connection."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
