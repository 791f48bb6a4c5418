"""HTTP: the one client that everything goes through."""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from imagewright.dataclass import dataclass
from imagewright.errors import NetworkError, redacted
from imagewright.transport.failures import BrokeOff, no_answer, refused
from imagewright.transport.network import Network
from imagewright.transport.retry_after import retry_after
from imagewright.transport.sender import Answer, Response, Sender, Timeouts, Unanswered, host_of, is_loopback, place_of

Content = bytes | Callable[[], Iterable[bytes]]
"""A body to send: bytes, or what opens it anew for each try (the headers then say its Content-Length)."""

BUDGET_SECONDS = 10.0  # how long a request that nobody answers may take in all
WRITE_BUDGET_SECONDS = 40.0  # one that brings something: some registries check a manifest for many seconds
PATIENCE = 0.6  # of the budget is for the first try, so that one answer that never comes is followed by another try
CONNECT_SECONDS = 4.0
COMMIT_BYTES_A_SECOND = 10 << 20  # a registry may hash and move all that it was sent before it answers
MAX_TRIES = 5
MAX_PAUSE_SECONDS = 4.0
MAX_WAIT_SECONDS = 120.0  # that another side may ask for, in all
ERROR_BYTES = 1 << 16  # of a body that only an error quotes
MAX_REDIRECTS = 8

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has gone over the wire: requests (each try and each redirect is one), and bytes of bodies."""

    requests: int = 0
    sent: int = 0
    received: int = 0


class Stream:
    """An answer whose body is read piece by piece."""

    def __init__(self, answer: Answer, url: str, count: Callable[[int], None]) -> None:
        self.status, self.headers, self.url = answer.status, answer.headers, url
        self._answer, self._count = answer, count

    def chunks(self) -> Iterator[bytes]:
        """The body as it was sent: no content encoding is undone.

        Raises:
            BrokeOff: That is not repeated: the caller may ask for the rest.
        """
        try:
            yield from self.counted()
        except Unanswered as error:
            what = f"{place_of(self.url)} broke off in the middle of an answer: {error}"
            raise BrokeOff(what, why=redacted(self.url)) from error

    def start_of_body(self) -> bytes:
        """As much of the body as an error may quote."""
        body = b""
        for chunk in self.chunks():
            body += chunk
            if len(body) > ERROR_BYTES:
                break
        return body[:ERROR_BYTES]

    def counted(self) -> Iterator[bytes]:
        """As `chunks`, for who tries again: raises `Unanswered`."""
        for chunk in self._answer.chunks():
            self._count(len(chunk))
            yield chunk


_T = TypeVar("_T", Response, Stream)


class Transport:
    """Sends requests, repeats what is transient, follows redirects. Safe to share: it holds the connection pool.

    When nothing answers it gives up after `BUDGET_SECONDS` in all. A host that asks to be left alone for some seconds is,
    by all threads. The system's certificates are trusted, and those of SSL_CERT_FILE, SSL_CERT_DIR and
    REQUESTS_CA_BUNDLE; ``certificates`` are folders as docker's certs.d, for single hosts. Proxies come from the usual
    variables, never for loopback addresses. ``insecure_hosts`` (host or host:port) are spoken to without TLS, as loopback
    addresses are. ``waits`` is told of a host and the seconds that it is waited for.
    """

    def __init__(
        self,
        *,
        insecure_hosts: Collection[str] = (),
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] | None = None,
        sender: Sender | None = None,
        certificates: Collection[Path] = (),
        waits: Callable[[str, float], object] = lambda host, seconds: None,
    ) -> None:
        self._insecure = frozenset(insecure_hosts)
        self._sleep, self._clock, self._chance, self._waits = sleep, clock, chance, waits
        self._sender = sender or Network(certificates)
        self._lock = threading.Lock()
        self._traffic = Traffic()
        self._quiet_until: dict[str, float] = {}

    def __enter__(self) -> "Transport":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the pooled connections."""
        self._sender.close()

    def now(self) -> float:
        """Seconds on the clock that it goes by."""
        return self._clock()

    def pause(self, failures: int) -> None:
        """Wait before another try of something that has failed so many times in a row."""
        self._sleep(self._backoff(failures))

    @property
    def traffic(self) -> Traffic:
        """The counts so far."""
        with self._lock:
            return self._traffic

    def origin(self, registry: str) -> str:
        """``https://HOST[:PORT]`` of a registry; ``http://`` only for loopback addresses and the insecure hosts."""
        host = host_of(f"//{registry}")
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
                        what = f"{place_of(url)} sent more than {limit} bytes"
                        raise NetworkError(what, code="IW503", why=redacted(url))
                return Response(answer.status, answer.headers, bytes(body), answer.url)

        budget = WRITE_BUDGET_SECONDS if content else BUDGET_SECONDS
        response = self._persist(one_try, url, ok, repeat=repeat, budget=budget)
        if response.status not in ok:
            raise refused(method, response)
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

            answer = self._persist(one_try, url, ok, repeat=True, budget=BUDGET_SECONDS)
            if answer.status not in ok:
                raise refused(method, Response(answer.status, answer.headers, answer.start_of_body(), answer.url))
            yield answer

    def _persist(
        self, one_try: Callable[[float], _T], url: str, ok: Collection[int], *, repeat: bool, budget: float
    ) -> _T:
        """Try until there is an answer that is not transient, or tries or time are used up."""
        place = place_of(url)
        self._leave_alone(place)
        start = self._clock()
        tries, waited = 0, 0.0
        while True:
            tries += 1
            last = tries == MAX_TRIES
            try:
                answer = one_try(max(min(budget - (self._clock() - start), PATIENCE * budget), 0.5))
            except Unanswered as error:
                seconds = self._clock() - start
                # On loopback a refusal is the whole truth: nobody listens there.
                sure = error.kind in ("no such host", "untrusted") or (
                    error.kind == "refused" and is_loopback(host_of(url))
                )
                pause = self._backoff(tries)
                if last or sure or not repeat or seconds + pause >= budget:
                    raise no_answer(url, error, tries, seconds) from error
                self._sleep(pause)
            else:
                if answer.status in ok or answer.status not in _TRANSIENT:
                    return answer
                asked = retry_after(answer.headers)
                if waited + asked > MAX_WAIT_SECONDS:
                    return answer
                if asked:
                    with self._lock:
                        self._quiet_until[place] = max(self._quiet_until.get(place, 0.0), self._clock() + asked)
                if last or not (repeat or answer.status == 429):
                    return answer
                waited += asked
                if asked:
                    self._leave_alone(place)
                else:
                    self._sleep(self._backoff(tries))
                start = self._clock()  # somebody is there: silence begins anew

    def _backoff(self, failures: int) -> float:
        if self._chance is None:
            import random  # 2 ms, which a request that is answered does not pay

            self._chance = random.random
        return float(self._chance() * min(0.4 * 2 ** (failures - 1), MAX_PAUSE_SECONDS))

    def _leave_alone(self, place: str) -> None:
        """Wait while a host has asked to be left alone. It may ask for longer meanwhile, by another thread."""
        if place not in self._quiet_until:
            return
        while (seconds := self._quiet_until[place] - self._clock()) > 0:
            self._waits(place, seconds)
            self._sleep(seconds)

    @contextlib.contextmanager
    def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: Content | None, patience: float
    ) -> Iterator[Stream]:
        """One try, with its redirects. Credentials stay with the origin that they were given for."""
        sent = {"accept-encoding": "identity", **{name.lower(): value for name, value in headers.items()}}
        commit = int(sent.get("content-length", "0")) / COMMIT_BYTES_A_SECOND
        timeouts = Timeouts(min(CONNECT_SECONDS, patience), patience + commit)
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
                what = f"{place_of(previous)} redirects to a place without TLS"
                raise NetworkError(what, code="IW503", why=f"to {redacted(url)}")
            if urlsplit(url)[:2] != urlsplit(previous)[:2]:
                sent.pop("authorization", None)
        raise NetworkError(f"{place_of(url)} redirects without end", code="IW503", why=redacted(url))

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
