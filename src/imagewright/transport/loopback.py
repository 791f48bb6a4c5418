"""HTTP to this machine itself: no TLS and no proxy, so the standard library's client is enough."""

import http.client
import select
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO
from urllib.parse import quote, urlsplit

from imagewright.transport.sender import SEND_SECONDS, Answer, Timeouts, Unanswered, unanswered

CHUNK = 1 << 18
_KEPT = "/?:@!$&'()*+,;=%~-._[]"  # what a request's target may hold as it is (RFC 3986, sections 2.2 and 2.3)
_Place = tuple[str, int]


class Loopback:
    """A `Sender` for http:// addresses. It keeps connections, and is there in 10 ms, where httpx2 takes 60."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[_Place, list[http.client.HTTPConnection]] = {}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Answer:
        """The answer, a redirect included."""
        parts = urlsplit(url)
        place = (parts.hostname or "", parts.port or 80)
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_KEPT)
        connection = self._taken(place) or _connected(place, timeouts)
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
            idle = [connection for connections in self._idle.values() for connection in connections]
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
                connection = connections.pop()
            if connection.sock is not None and not _readable(connection):
                return connection
            connection.close()

    def _give_back(self, place: _Place, connection: http.client.HTTPConnection, reusable: bool) -> None:
        if not reusable or connection.sock is None:
            connection.close()
            return
        with self._lock:
            self._idle.setdefault(place, []).append(connection)


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


class _Connection(http.client.HTTPConnection):
    response_class = _WholeHead


class _Answer:
    def __init__(self, response: http.client.HTTPResponse, done: Callable[[bool], None]) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.getheaders()}
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


def _connected(place: _Place, timeouts: Timeouts) -> http.client.HTTPConnection:
    connection = _Connection(*place, timeout=timeouts.connect)
    try:
        connection.connect()
    except TimeoutError as error:
        raise Unanswered("connecting timed out") from error
    except OSError as error:
        raise unanswered(error) from error
    return connection


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
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _readable(connection: http.client.HTTPConnection) -> bool:
    """Whether there is something to read where nothing is due: the end of the connection."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
