"""A proxy before a registry that does one thing wrong: over real sockets, for tests of what a client makes of it."""

import json
import re
import socket
import socketserver
import struct
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Literal

from imagewright.transport import Answer, Sender, Timeouts, Unanswered

Kind = Literal[
    "reset",
    "500",
    "503",
    "429",
    "cut request",
    "cut response",
    "lost response",
    "slow body",
    "flipped response",
    "flipped request",
    "expired token",
]
"""What may happen to a request. 503 and 429 come with Retry-After."""

KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]

RETRY_AFTER = 7
STALL_SECONDS = 0.1  # of real time: what a client waits for that would wait for seconds


class FaultProxy:
    """Hands requests on to ``upstream`` (host:port); ``plan`` says for the number of each, from 1, what goes wrong.

    It wants a bearer token for each request, and is its own token server: registries that want none can be tested so.
    """

    def __init__(self, upstream: str, plan: Callable[[int], Kind | str] = lambda number: "") -> None:
        host, _, port = upstream.rpartition(":")
        self.upstream = (host, int(port))
        self.plan = plan
        self.requests: list[tuple[str, str]] = []
        self.tokens: set[str] = set()
        self.closing = threading.Event()
        self.place = ""

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Its ``host:port`` while the body runs."""
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(ConnectionError, TimeoutError):
                    _Exchange(proxy, self.connection).run()

        with _Server(("127.0.0.1", 0), Handler) as server:
            self.place = f"127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self.place
            finally:
                self.closing.set()
                server.shutdown()
                thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 64


class _Exchange:
    """One request and its answer, or what is left of them."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self._proxy, self._client = proxy, client

    def run(self) -> None:
        head, body = _read_message(self._client)
        if not head:
            return
        line, _, rest = head.partition(b"\r\n")
        method, path = line.decode().split()[:2]
        self._proxy.requests.append((method, path))
        fault = self._proxy.plan(len(self._proxy.requests))
        match fault:
            case "reset":
                self._reset()
            case "500":
                self._answer(500)
            case "503" | "429":
                self._answer(int(fault), {"Retry-After": str(RETRY_AFTER)})
            case "cut request":
                self._hand_on(head, body[: len(body) // 2], whole=False)
            case _ if fault.isdecimal():
                self._answer(int(fault))
            case _:
                if fault == "expired token":
                    self._proxy.tokens.clear()
                body = _flipped(body) if fault == "flipped request" else body
                self._deliver(fault, self._own_answer(path, rest) or self._hand_on(head, body))

    def _deliver(self, fault: str, answer: bytes) -> None:
        head, gap, body = answer.partition(b"\r\n\r\n")
        match fault:
            case "lost response":
                return
            case "cut response":
                half = head[: len(head) // 2] if not body else head + gap + body[: len(body) // 2]
                self._client.sendall(half)
            case "slow body":
                self._client.sendall(head + gap + body[: len(body) // 2] if body else b"")
                while not self._proxy.closing.is_set():
                    self._client.settimeout(0.05)
                    with suppress(TimeoutError):
                        self._client.recv(1)
                        return  # the client has given up
            case "flipped response":
                self._client.sendall(head + gap + _flipped(body))
            case _:
                self._client.sendall(answer)

    def _own_answer(self, path: str, headers: bytes) -> bytes | None:
        """A token, or that one is wanted; None for a request that has one."""
        if path.startswith("/token"):
            token = uuid.uuid4().hex
            self._proxy.tokens.add(token)
            return _message(200, {}, json.dumps({"token": token, "expires_in": 300}).encode())
        given = re.search(rb"(?im)^authorization: *bearer +(\S+)", headers)
        if given is not None and given[1].decode() in self._proxy.tokens:
            return None
        want = f'Bearer realm="http://{self._proxy.place}/token",service="proxy"'
        return _message(401, {"WWW-Authenticate": want}, b"")

    def _hand_on(self, head: bytes, body: bytes, *, whole: bool = True) -> bytes:
        """What the registry answers; with a part of the body alone, nothing: it is hung up on."""
        lines = [
            line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"authorization:"))
        ]
        with socket.create_connection(self._proxy.upstream, timeout=30) as upstream:
            upstream.sendall(b"\r\n".join([*lines, b"Connection: close", b"", body]))
            if not whole:
                upstream.shutdown(socket.SHUT_WR)  # it has taken note of what came before we hang up on the client
            answer = b""
            while chunk := upstream.recv(1 << 16):
                answer += chunk
        if not whole:
            return b""
        first, _, rest = answer.partition(b"\r\n")
        return first + b"\r\nConnection: close\r\n" + re.sub(rb"(?im)^connection:.*\r\n", b"", rest, count=1)

    def _answer(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        self._client.sendall(_message(status, headers or {}, b""))

    def _reset(self) -> None:
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class VirtualTime:
    """A clock that moves when somebody sleeps, or waits for an answer that does not come."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """It is later."""
        self.now += seconds


class Impatient:
    """A `Sender` that waits for `STALL_SECONDS` when ``stalls`` says so, and says that it waited as long as it should."""

    def __init__(self, sender: Sender, time: VirtualTime, stalls: Callable[[], bool]) -> None:
        self._sender, self._time, self._stalls = sender, time, stalls

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Answer:
        """The answer."""
        stalls = self._stalls()
        short = Timeouts(timeouts.connect, STALL_SECONDS) if stalls else timeouts
        try:
            answer = self._sender.send(method, url, headers, content, short)
        except Unanswered:
            self._time.now += timeouts.answer if stalls else 0.0
            raise
        return _Timed(answer, self._time, timeouts.answer) if stalls else answer

    def close(self) -> None:
        """Let go of all connections."""
        self._sender.close()


class _Timed:
    def __init__(self, answer: Answer, time: VirtualTime, seconds: float) -> None:
        self.status, self.headers = answer.status, answer.headers
        self._answer, self._time, self._seconds = answer, time, seconds

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._answer.chunks()
        except Unanswered:
            self._time.now += self._seconds
            raise

    def close(self) -> None:
        self._answer.close()


def _read_message(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head of a request, without its empty line, and its body."""
    connection.settimeout(30)
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(1 << 16)
        if not chunk:
            return b"", b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    while length is not None and len(body) < int(length[1]):
        chunk = connection.recv(1 << 16)
        if not chunk:
            break
        body += chunk
    return head, body


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


def _message(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
