"""HTTP: the one client that everything goes through, and the only module that imports httpx2."""

import contextlib
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit

from imagewright.errors import NetworkError, redacted

if TYPE_CHECKING:
    import httpx2

Content = bytes | Callable[[], Iterable[bytes]]
"""A body to send: bytes, or what opens it anew for each try (the headers then say its Content-Length)."""

BUDGET_SECONDS = 10.0  # how long a request that nobody answers may take in all
CONNECT_SECONDS = 4.0
COMMIT_SECONDS = 300.0  # a registry may hash all that it was sent before it answers
MAX_TRIES = 5
MAX_PAUSE_SECONDS = 4.0
MAX_RETRY_AFTER_SECONDS = 120.0
MAX_REDIRECTS = 8

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with its whole body. Names of ``headers`` are in lower case; ``url`` is where redirects led to."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has gone over the wire: requests (each try and each redirect is one), and bytes of bodies."""

    requests: int = 0
    sent: int = 0
    received: int = 0


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


class AnswerError(NetworkError):
    """The other side answered with a status that the caller has no use for: ``response`` has it."""

    code = "IW503"

    def __init__(self, what: str, response: Response, *, why: Iterable[str] = ()) -> None:
        super().__init__(what, why=tuple(why))
        self.response = response


class Stream:
    """An answer whose body is read piece by piece."""

    def __init__(self, answer: Answer, url: str, count: Callable[[int], None]) -> None:
        self.status, self.headers, self.url = answer.status, answer.headers, url
        self._answer, self._count = answer, count

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent: no content encoding is undone.

        Raises:
            NetworkError: It breaks off (IW502). That is not repeated: the caller may ask for the rest.
        """
        try:
            yield from self.counted()
        except Unanswered as error:
            what = f"{_place(self.url)} broke off in the middle of an answer: {error}"
            raise NetworkError(what, code="IW502", why=redacted(self.url)) from error

    def counted(self) -> Iterator[bytes]:
        """As `chunks`, for who tries again: raises `Unanswered`."""
        for chunk in self._answer.chunks():
            self._count(len(chunk))
            yield chunk


_T = TypeVar("_T", Response, Stream)


class Transport:
    """Sends requests, repeats what is transient, follows redirects. Safe to share: it holds the connection pool.

    When nothing answers it gives up after `BUDGET_SECONDS` in all. The system's certificates are trusted, and those of
    SSL_CERT_FILE, SSL_CERT_DIR and REQUESTS_CA_BUNDLE. Proxies come from the usual variables, never for loopback
    addresses. ``insecure_hosts`` (host or host:port) are spoken to without TLS, as loopback addresses are.
    """

    def __init__(
        self,
        *,
        insecure_hosts: Collection[str] = (),
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        sender: Sender | None = None,
    ) -> None:
        self._insecure = frozenset(insecure_hosts)
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._sender = sender or _Network()
        self._lock = threading.Lock()
        self._traffic = Traffic()

    def __enter__(self) -> "Transport":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the pooled connections."""
        self._sender.close()

    @property
    def traffic(self) -> Traffic:
        """The counts so far."""
        with self._lock:
            return self._traffic

    def origin(self, registry: str) -> str:
        """``https://HOST[:PORT]`` of a registry; ``http://`` only for loopback addresses and the insecure hosts."""
        host = _host(f"//{registry}")
        plain = is_loopback(host) or not self._insecure.isdisjoint((registry, host))
        return f"{'http' if plain else 'https'}://{registry}"

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: Content | None = None,
        ok: Collection[int] = (200,),
        limit: int = 64 << 20,
        repeat: bool = True,
    ) -> Response:
        """The answer to a request, its body of up to ``limit`` bytes read.

        Without ``repeat`` it is sent once, for what must not arrive twice; only a 429, which says that nobody looked
        at it, is still followed by another try.

        Raises:
            AnswerError: The status is not in ``ok`` (IW503).
            NetworkError: Nothing listens (IW501), or nothing answers (IW502).
        """

        def one_try(patience: float) -> Response:
            with self._send(method, url, headers or {}, content, patience) as answer:
                body = bytearray()
                for chunk in answer.counted():
                    body += chunk
                    if len(body) > limit:
                        what = f"{_place(url)} sent more than {limit} bytes"
                        raise NetworkError(what, code="IW503", why=redacted(url))
                return Response(answer.status, answer.headers, bytes(body), answer.url)

        response = self._persist(one_try, url, ok, repeat)
        if response.status not in ok:
            raise _refused(method, response)
        return response

    @contextlib.contextmanager
    def stream(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, ok: Collection[int] = (200, 206)
    ) -> Iterator[Stream]:
        """An answer whose body is read piece by piece.

        Raises:
            AnswerError, NetworkError: As `request` does.
        """
        with contextlib.ExitStack() as opened:

            def one_try(patience: float) -> Stream:
                opened.close()
                return opened.enter_context(self._send(method, url, headers or {}, None, patience))

            answer = self._persist(one_try, url, ok, repeat=True)
            if answer.status not in ok:
                body = next(answer.chunks(), b"")
                raise _refused(method, Response(answer.status, answer.headers, body, answer.url))
            yield answer

    def _persist(self, one_try: Callable[[float], _T], url: str, ok: Collection[int], repeat: bool) -> _T:
        """Try until there is an answer that is not transient, or tries or time are used up."""
        start = self._clock()
        tries = 0
        while True:
            tries += 1
            pause = self._chance() * min(0.4 * 2 ** (tries - 1), MAX_PAUSE_SECONDS)
            last = tries == MAX_TRIES
            try:
                answer = one_try(max(BUDGET_SECONDS - (self._clock() - start), 0.5))
            except Unanswered as error:
                seconds = self._clock() - start
                # On loopback a refusal is the whole truth: nobody listens there.
                sure = error.kind in ("no such host", "untrusted") or (
                    error.kind == "refused" and is_loopback(_host(url))
                )
                if last or sure or not repeat or seconds + pause >= BUDGET_SECONDS:
                    raise _no_answer(url, error, tries, seconds) from error
            else:
                if last or answer.status in ok or answer.status not in (_TRANSIENT if repeat else {429}):
                    return answer
                pause = _retry_after(answer.headers) or pause
            self._sleep(pause)

    @contextlib.contextmanager
    def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: Content | None, patience: float
    ) -> Iterator[Stream]:
        """One try, with its redirects. Credentials stay with the origin that they were given for."""
        sent = {"accept-encoding": "identity", **{name.lower(): value for name, value in headers.items()}}
        timeouts = Timeouts(min(CONNECT_SECONDS, patience), patience if content is None else COMMIT_SECONDS)
        for _ in range(MAX_REDIRECTS):
            self._count(requests=1)
            answer = self._sender.send(method, url, sent, self._opened(content), timeouts)
            target = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not target or method not in ("GET", "HEAD"):
                with contextlib.closing(answer):
                    yield Stream(answer, url, lambda size: self._count(received=size))
                return
            answer.close()
            url, previous = urljoin(url, target), url
            if urlsplit(previous).scheme == "https" and urlsplit(url).scheme != "https":
                what = f"{_place(previous)} redirects to a place without TLS"
                raise NetworkError(what, code="IW503", why=f"to {redacted(url)}")
            if urlsplit(url)[:2] != urlsplit(previous)[:2]:
                sent.pop("authorization", None)
        raise NetworkError(f"{_place(url)} redirects without end", code="IW503", why=redacted(url))

    def _opened(self, content: Content | None) -> bytes | Iterable[bytes] | None:
        if content is None or isinstance(content, bytes):
            self._count(sent=len(content or b""))
            return content
        return self._counted(content())

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._count(sent=len(chunk))
            yield chunk

    def _count(self, *, requests: int = 0, sent: int = 0, received: int = 0) -> None:
        with self._lock:
            now = self._traffic
            self._traffic = Traffic(now.requests + requests, now.sent + sent, now.received + received)


class _Network:
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
        direct = urlsplit(url).scheme == "http" and is_loopback(_host(url))
        if direct and method == "HEAD":
            return _head(url, headers, timeouts)
        client = self._client(direct)
        import httpx2

        limits = httpx2.Timeout(COMMIT_SECONDS, connect=timeouts.connect, read=timeouts.answer, pool=None)
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


def is_loopback(host: str) -> bool:
    """Whether ``host`` (no port, no brackets) can only be this machine: localhost, 127.0.0.0/8, ::1."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


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


def _no_answer(url: str, error: Unanswered, tries: int, seconds: float) -> NetworkError:
    place = _place(url)
    if error.kind == "refused":
        return NetworkError(f"nothing answers at {place} (connection refused)", code="IW501", why=_proxy(url))
    if error.kind == "no such host":
        return NetworkError(f"there is no host {_host(url)}", code="IW502", why=(str(error), *_proxy(url)))
    if error.kind == "untrusted":
        return NetworkError(
            f"the certificate of {place} is not trusted: {error}",
            code="IW502",
            why=_proxy(url),
            fix="SSL_CERT_FILE=/path/to/your-ca.pem, a file with your organisation's certificate",
        )
    count = "1 try" if tries == 1 else f"{tries} tries"
    what = f"{place} did not answer: {count} in {seconds:.0f}s, last: {error}"
    return NetworkError(what, code="IW502", why=_proxy(url))


def _refused(method: str, response: Response) -> AnswerError:
    from http import HTTPStatus  # only here: it is slow to import

    try:
        phrase = f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        phrase = str(response.status)
    said = response.body[:300].decode(errors="replace").strip()
    why = [f"{method} {redacted(response.url)}", *([f"it said: {redacted(said)}"] if said else [])]
    return AnswerError(f"{_place(response.url)} answered {phrase}", response, why=why)


def _proxy(url: str) -> tuple[str, ...]:
    """A line that names the proxy on the way to ``url``, if there is one."""
    from urllib.request import getproxies, proxy_bypass  # only here: it is slow to import

    scheme, host = urlsplit(url).scheme, _host(url)
    proxy = getproxies().get(scheme) or getproxies().get("all")
    if not proxy or is_loopback(host) or proxy_bypass(host):
        return ()
    name = f"{scheme.upper()}_PROXY"
    return (f"via proxy {redacted(proxy)} ({name}); add the host to NO_PROXY if it should be reached directly",)


def _retry_after(headers: Mapping[str, str]) -> float:
    """The seconds that the other side asks for; 0 when it does not, or names a date."""
    text = headers.get("retry-after", "")
    return min(float(text), MAX_RETRY_AFTER_SECONDS) if text.isdecimal() else 0.0


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _place(url: str) -> str:
    """``host[:port]``, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]
