"""What the HTTP client decides, over a made-up network in a time of its own."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest

from imagewright.errors import NetworkError
from imagewright.transport import Answer, AnswerError, Timeouts, Traffic, Transport, Unanswered, is_loopback
from imagewright.transport.retry_after import retry_after


class Made:
    """A made-up answer; ``breaks`` cuts its body off."""

    def __init__(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, breaks: bool = False
    ) -> None:
        self.status, self.body, self.headers, self.breaks = status, body, headers or {}, breaks

    def chunks(self) -> Iterator[bytes]:
        yield self.body
        if self.breaks:
            raise Unanswered("peer closed the connection")

    def close(self) -> None:
        """Nothing is open."""


class Network:
    """Plays a script of answers and failures, the last one for ever, in a time of its own."""

    def __init__(self, *script: Made | Unanswered, each_takes: float = 0.0) -> None:
        self.script, self.each_takes, self.now = list(script), each_takes, 100.0
        self.seen: list[tuple[str, str, Mapping[str, str], bytes]] = []

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Answer:
        body = content if isinstance(content, bytes) else b"".join(content or ())
        self.seen.append((method, url, dict(headers), body))
        self.now += min(self.each_takes, timeouts.connect)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Unanswered):
            raise step
        return step

    def close(self) -> None:
        """Nothing is open."""

    def transport(
        self,
        insecure_hosts: Iterable[str] = (),
        waits: Callable[[str, float], object] = lambda host, seconds: None,
    ) -> Transport:
        def sleep(seconds: float) -> None:
            self.now += seconds

        return Transport(
            sleep=sleep,
            clock=lambda: self.now,
            chance=lambda: 1.0,
            sender=self,
            insecure_hosts=tuple(insecure_hosts),
            waits=waits,
        )


def test_what_is_transient_is_tried_again() -> None:
    """A reset, a broken body and a 503 are each followed by another try; the answer is the good one."""
    network = Network(Unanswered("reset"), Made(200, b"ha", breaks=True), Made(503), Made(200, b"hello"))

    response = network.transport().request("GET", "https://example.com/a")

    assert response.body == b"hello"
    assert len(network.seen) == 4


@pytest.mark.parametrize("each_takes", [0.0, 1.0, 3.0, 60.0])
def test_silence_ends_within_the_budget(each_takes: float) -> None:
    """However long one try takes, nothing is waited for much longer than ten seconds."""
    network = Network(Unanswered("TLS handshake timed out"), each_takes=each_takes)
    start = network.now

    with pytest.raises(
        NetworkError, match=r"registry\.example\.com did not answer: \d tr.*last: TLS handshake"
    ) as caught:
        network.transport().request("HEAD", "https://registry.example.com/v2/")

    assert caught.value.code == "IW502"
    assert network.now - start <= 14.0


def test_a_refusal_on_loopback_is_final() -> None:
    """Nobody listens on this machine: one try tells."""
    network = Network(Unanswered("connection refused", "refused"))

    with pytest.raises(NetworkError, match=r"nothing answers at localhost:5000 \(connection refused\)") as caught:
        network.transport().request("HEAD", "http://localhost:5000/v2/")

    assert caught.value.code == "IW501"
    assert len(network.seen) == 1


@pytest.mark.parametrize(("kind", "words"), [("no such host", "there is no host"), ("untrusted", "is not trusted")])
def test_what_another_try_cannot_mend_is_not_tried_again(kind: str, words: str) -> None:
    """A name that does not exist and a certificate that is not trusted are said at once."""
    network = Network(Unanswered("why", kind))  # type: ignore[arg-type]

    with pytest.raises(NetworkError, match=words):
        network.transport().request("GET", "https://example.com/")

    assert len(network.seen) == 1


def test_the_other_side_says_how_long_to_wait() -> None:
    """Retry-After counts, up to two minutes; a server that says 429 is there, so the budget of silence is not meant."""
    network = Network(Made(429, headers={"retry-after": "30"}), Made(200))
    start = network.now

    network.transport().request("GET", "https://example.com/")

    assert network.now - start == 30.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "Fri, 01 Jan 2100 00:00:40 GMT", "date": "Fri, 01 Jan 2100 00:00:10 GMT"}, 30.0),
        ({"retry-after": "Fri, 01 Jan 2100 00:00:10 GMT", "date": "Fri, 01 Jan 2100 00:00:40 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({}, 0.0),
    ],
)
def test_how_long_to_wait_may_be_a_date(headers: dict[str, str], seconds: float) -> None:
    """By the other side's own clock; what cannot be read asks for nothing."""
    assert retry_after(headers) == seconds


def test_who_asks_for_hours_is_not_waited_for() -> None:
    """The answer is then the last one."""
    network = Network(Made(429, headers={"retry-after": "3600"}))

    with pytest.raises(AnswerError, match="429"):
        network.transport().request("GET", "https://example.com/")

    assert len(network.seen) == 1


def test_a_host_that_asks_to_be_left_alone_is_by_everybody() -> None:
    """Also by who sends once only, and by whoever comes next; others are not waited with."""
    network = Network(Made(503, headers={"retry-after": "20"}), Made(200))
    waits: list[tuple[str, float]] = []
    transport = network.transport(waits=lambda host, seconds: waits.append((host, seconds)))
    start = network.now
    with pytest.raises(AnswerError):
        transport.request("PUT", "https://example.com/", content=b"x", repeat=False)

    transport.request("GET", "https://other.example.com/")
    assert network.now == start
    transport.request("GET", "https://example.com/")

    assert network.now - start == 20.0
    assert waits == [("example.com", 20.0)]


def test_an_answer_that_never_comes_is_followed_by_another_try() -> None:
    """Within the budget: no single try takes all of it."""
    asked: list[Timeouts] = []

    class Silent(Network):
        def send(
            self, method: str, url: str, headers: Mapping[str, str], content: object, timeouts: Timeouts
        ) -> Answer:
            asked.append(timeouts)
            if len(asked) == 1:
                self.now += timeouts.answer
                raise Unanswered("timed out")
            return Made(200)

    Silent(Made(200)).transport().request("GET", "https://example.com/")

    assert [timeouts.answer <= 6.0 for timeouts in asked] == [True, True]


def test_who_brings_much_is_waited_for_longer() -> None:
    """A registry hashes what it was sent before it answers."""
    asked: list[Timeouts] = []

    class Noting(Network):
        def send(
            self, method: str, url: str, headers: Mapping[str, str], content: object, timeouts: Timeouts
        ) -> Answer:
            asked.append(timeouts)
            return Made(200)

    transport = Noting(Made(200)).transport()
    transport.request("PUT", "https://example.com/", content=lambda: [b""], headers={"Content-Length": str(1 << 30)})
    transport.request("GET", "https://example.com/")

    assert asked[0].answer > 100.0
    assert asked[1].answer <= 10.0


def test_a_status_that_is_not_expected_is_an_error_with_the_answer() -> None:
    """A 404 is not repeated; the error quotes the other side, without passwords, and carries the answer."""
    network = Network(Made(404, b"no such thing at https://u:secret@example.com/"))

    with pytest.raises(AnswerError, match=r"example\.com answered 404 Not Found") as caught:
        network.transport().request("GET", "https://bob:secret@example.com/x")

    assert caught.value.code == "IW503"
    assert caught.value.response.status == 404
    assert "secret" not in str(caught.value)
    assert len(network.seen) == 1


def test_an_expected_status_is_an_answer_even_if_it_looks_transient() -> None:
    """Who says that 500 is fine gets it at once."""
    network = Network(Made(500))

    assert network.transport().request("HEAD", "https://example.com/", ok=(200, 500)).status == 500
    assert len(network.seen) == 1


def test_what_must_not_arrive_twice_is_sent_once() -> None:
    """Without ``repeat`` there is one try."""
    network = Network(Unanswered("reset"))

    with pytest.raises(NetworkError, match="1 try in 0s"):
        network.transport().request("PUT", "https://example.com/", content=b"x", repeat=False)

    assert len(network.seen) == 1


def test_what_nobody_looked_at_is_sent_again() -> None:
    """A 429 is repeated even so."""
    network = Network(Made(429), Made(201))

    network.transport().request("PUT", "https://example.com/", content=b"x", ok=(201,), repeat=False)

    assert len(network.seen) == 2


def test_a_body_is_opened_anew_for_each_try() -> None:
    """Streamed content is sent whole the second time as well, and both times are counted."""
    network = Network(Made(503), Made(201))
    transport = network.transport()

    transport.request("PUT", "https://example.com/", content=lambda: iter([b"ab", b"c"]), ok=(201,))

    assert [body for *_, body in network.seen] == [b"abc", b"abc"]
    assert transport.traffic == Traffic(requests=2, sent=6, received=0)


def test_credentials_stay_with_their_origin() -> None:
    """A redirect to another host goes without Authorization; one within the host keeps it."""
    network = Network(
        Made(307, headers={"location": "/b"}), Made(307, headers={"location": "https://cdn.example.com/c"}), Made(200)
    )

    response = network.transport().request("GET", "https://example.com/a", headers={"Authorization": "Basic eA=="})

    assert [url for _, url, _, _ in network.seen] == [
        "https://example.com/a",
        "https://example.com/b",
        "https://cdn.example.com/c",
    ]
    assert ["authorization" in headers for _, _, headers, _ in network.seen] == [True, True, False]
    assert response.url == "https://cdn.example.com/c"


def test_a_redirect_never_gives_up_tls() -> None:
    """https to http is refused."""
    network = Network(Made(302, headers={"location": "http://example.com/"}), Made(200))

    with pytest.raises(NetworkError, match="redirects to a place without TLS"):
        network.transport().request("GET", "https://example.com/")


def test_redirects_end() -> None:
    """A loop of redirects is an error."""
    network = Network(Made(302, headers={"location": "/again"}))

    with pytest.raises(NetworkError, match="redirects without end"):
        network.transport().request("GET", "https://example.com/")


def test_an_answer_is_limited() -> None:
    """More than ``limit`` bytes are not taken into memory."""
    network = Network(Made(200, b"12345"))

    with pytest.raises(NetworkError, match="sent more than 4 bytes"):
        network.transport().request("GET", "https://example.com/", limit=4)


def test_a_stream_that_breaks_off_is_an_error_for_its_reader() -> None:
    """What came is handed on, then NetworkError."""
    network = Network(Made(200, b"half", breaks=True))
    got: list[bytes] = []

    with (
        network.transport().stream("GET", "https://example.com/") as answer,
        pytest.raises(NetworkError, match="broke off in the middle"),
    ):
        got.extend(answer.chunks())

    assert got == [b"half"]


@pytest.mark.parametrize(
    ("registry", "origin"),
    [
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com"),
        ("localhost.example.com", "https://localhost.example.com"),
        ("ghcr.io", "https://ghcr.io"),
        ("plain.example.com:80", "http://plain.example.com:80"),
    ],
)
def test_only_loopback_and_named_hosts_go_without_tls(registry: str, origin: str) -> None:
    """A name that merely begins like a loopback address is not one."""
    assert Transport(insecure_hosts=["plain.example.com"]).origin(registry) == origin


def test_loopback() -> None:
    """Addresses, not names that look like them."""
    assert [is_loopback(host) for host in ("localhost", "LOCALHOST", "127.9.9.9", "::1")] == [True] * 4
    assert [is_loopback(host) for host in ("127.0.0.1.nip.io", "0.0.0.0", "example.com", "")] == [False] * 4


def test_an_unanswered_request_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its password."""
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "")

    with pytest.raises(NetworkError) as caught:
        Network(Unanswered("timed out")).transport().request("GET", "https://example.com/")

    [line] = caught.value.why
    assert line.startswith("via proxy http://***@proxy.example.com:3128 (HTTPS_PROXY); add the host to NO_PROXY")
