"""One try of one request: the seam between what is decided about requests and the network."""

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Protocol
from urllib.parse import urlsplit

from imagewright.dataclass import dataclass
from imagewright.errors import redacted

SEND_SECONDS = 300.0  # for one chunk of a body to be taken

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with its whole body. Names of ``headers`` are in lower case; ``url`` is where redirects led to."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to be connected, and for the answer to begin or to go on."""

    connect: float
    answer: float


class Answer(Protocol):
    """What a `Sender` gives back. ``chunks`` raises `Unanswered` when the body breaks off."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent: no content encoding is undone."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Sender(Protocol):
    """One try of one request. Safe to share between threads."""

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Answer:
        """The answer, a redirect included. Raises `Unanswered`."""
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...


class Unanswered(Exception):
    """One try that got no complete answer. Only for a "transient" one is another try of use."""

    def __init__(
        self, reason: str, kind: Literal["transient", "refused", "no such host", "untrusted"] = "transient"
    ) -> None:
        super().__init__(reason)
        self.kind = kind


def is_loopback(host: str) -> bool:
    """Whether ``host`` (no port, no brackets) can only be this machine: localhost, 127.0.0.0/8, ::1."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


def host_of(url: str) -> str:
    """The host of a URL, without port and brackets."""
    return urlsplit(url).hostname or ""


def place_of(url: str) -> str:
    """``host[:port]``, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def unanswered(error: BaseException) -> Unanswered:
    """What went wrong with a try, in words. httpx2 and httpcore2 wrap the socket's own error."""
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
