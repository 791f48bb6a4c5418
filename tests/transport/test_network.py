"""The real network, over sockets on loopback."""

import base64
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from imagewright.errors import NetworkError
from imagewright.transport import Sender, Timeouts, Traffic, Transport, Unanswered, certificates, direct
from imagewright.transport.certificates import folders_for, trusted
from imagewright.transport.direct import Direct
from imagewright.transport.network import Proxied, has_proxy


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"\x1f\x8b not really gzip", {"Content-Encoding": "gzip"})

    def do_HEAD(self) -> None:
        self._answer(b"", {"X-Authorization": self.headers.get("Authorization", "")})

    def do_PUT(self) -> None:
        self._answer(
            self.rfile.read(int(self.headers["Content-Length"])),
            {"X-Coding": self.headers.get("Transfer-Encoding", "none")},
        )

    def _answer(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


@contextmanager
def echo(tls: ssl.SSLContext | None = None, handler: type[BaseHTTPRequestHandler] = _Echo) -> Iterator[str]:
    """A server on loopback that sends back what it gets."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=[Direct, Proxied])
def sender(request: pytest.FixtureRequest) -> Iterator[Sender]:
    """Each of the ways that requests take."""
    made: Sender = request.param(cache(lambda place: trusted(os.environ)))
    yield made
    made.close()


def test_a_head_and_a_get_over_a_socket(sender: Sender) -> None:
    """Headers are in lower case and bodies as they were sent."""
    with echo() as url, Transport(sender=sender) as transport:
        head = transport.request("HEAD", f"{url}/a?b=c", headers={"Authorization": "Basic eA=="})
        with transport.stream("GET", url) as answer:
            body = b"".join(answer.chunks())

        assert (head.status, head.body, head.headers["x-authorization"]) == (200, b"", "Basic eA==")
        assert body == b"\x1f\x8b not really gzip"
        assert answer.headers["content-encoding"] == "gzip"
        assert transport.traffic == Traffic(requests=2, sent=0, received=len(body))


def test_a_streamed_body_with_a_length_is_not_sent_in_pieces(sender: Sender) -> None:
    """Registries need not take a chunked transfer coding."""
    with echo() as url, Transport(sender=sender) as transport:
        response = transport.request(
            "PUT", url, headers={"Content-Length": "6"}, content=lambda: iter([b"abc", b"def"])
        )

        assert response.body == b"abcdef"
        assert response.headers["x-coding"] == "none"


def test_a_closed_port_is_a_refused_connection(sender: Sender) -> None:
    """Which is another error than no answer."""
    with closing(socket.socket()) as bound, Transport(sender=sender) as transport:
        bound.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{bound.getsockname()[1]}"

        with pytest.raises(NetworkError, match=f"nothing answers at {place}") as caught:
            transport.request("GET", f"http://{place}/")

        assert caught.value.code == "IW501"


def test_proxies_do_not_come_between_this_machine_and_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is for other hosts."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    with echo() as url, Transport() as transport:
        assert transport.request("GET", url).status == 200


def test_loopback_imports_no_more_than_it_needs() -> None:
    """A registry on this machine is spoken to without httpx2."""
    code = "import sys; from imagewright.transport import Transport; Transport().request('GET', sys.argv[1]); print('httpx2' in sys.modules)"
    with echo() as url:
        done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "False\n"


def test_a_server_that_says_nothing_is_not_waited_for(sender: Sender) -> None:
    """Connected, but without an answer in time: another try may do better."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"

        with pytest.raises(Unanswered, match=r"^timed out$") as caught:
            sender.send("GET", url, {}, None, Timeouts(connect=5, answer=0.05))

    assert caught.value.kind == "transient"


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[str, threading.Semaphore]]:
    """A server that takes one connection for each of these, reads a request's head, answers so, and closes: counted."""
    closed = threading.Semaphore(0)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        head += connection.recv(1)
                    connection.sendall(answer)
                closed.release()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", closed
        thread.join()


def test_a_body_that_ends_early_is_noticed(sender: Sender) -> None:
    """The length that was announced counts."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"

    with scripted(cut) as (url, _):
        answer = sender.send("GET", url, {}, None, Timeouts(connect=5, answer=5))
        chunks = answer.chunks()
        assert next(chunks) == b"abc"  # a download goes on from there
        with pytest.raises(Unanswered) as caught:
            next(chunks)
        answer.close()

    assert caught.value.kind == "transient"


def test_a_body_without_a_length_ends_with_the_connection(sender: Sender) -> None:
    """As HTTP/1.0 has it."""
    with scripted(b"HTTP/1.0 200 OK\r\n\r\nabc") as (url, _), Transport(sender=sender) as transport:
        assert transport.request("GET", url).body == b"abc"


def test_a_connection_that_was_closed_is_not_used_again(sender: Sender) -> None:
    """Servers close what is idle, without a word; a request that must be sent once does not fail for it."""
    fine = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    with scripted(fine, fine) as (url, closed), Transport(sender=sender) as transport:
        assert transport.request("PUT", url, content=b"", repeat=False).body == b"ok"
        closed.acquire()
        assert transport.request("PUT", url, content=b"", repeat=False).body == b"ok"


def test_a_connection_is_kept(sender: Sender) -> None:
    """Many requests, one after the other, need one."""
    assert len(connections(sender)) == 1


@pytest.mark.tool
def test_a_connection_with_tls_is_kept(
    sender: Sender, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What TLS says beside the answers, tickets for later connections, is not taken for the connection's end."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert len(connections(sender, tls)) == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be gone without a word, and whoever asked through it would wait."""
    monkeypatch.setattr(direct, "IDLE_SECONDS", 0.0)

    assert len(connections(Direct(without_tls))) == 5


def without_tls(place: str) -> ssl.SSLContext:
    """For a sender that is asked for http:// alone."""
    raise AssertionError(f"{place} is asked without TLS")


def connections(sender: Sender, tls: ssl.SSLContext | None = None) -> set[tuple[str, int]]:
    """The client's ends of all connections that five requests took."""
    places: set[tuple[str, int]] = set()

    class Noting(_Echo):
        def setup(self) -> None:
            places.add(self.client_address)
            super().setup()

    with echo(tls, handler=Noting) as url, Transport(sender=sender) as transport:
        for method in ("HEAD", "GET", "HEAD", "GET"):
            transport.request(method, url)
        transport.request("PUT", url, content=b"abc")
    return places


def test_a_header_that_comes_twice(sender: Sender) -> None:
    """A registry may offer two ways to log in, each in a line of its own."""
    twice = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer a\r\nwww-authenticate: Basic b\r\nContent-Length: 0\r\n\r\n"

    with scripted(twice) as (url, _), Transport(sender=sender) as transport:
        answer = transport.request("GET", url, ok=(401,))

    assert answer.headers["www-authenticate"] == "Bearer a, Basic b"


def test_a_login_in_a_url(sender: Sender) -> None:
    """apt's own lists have mirrors like that."""
    with echo() as url, Transport(sender=sender) as transport:
        url = url.replace("//", "//al%40ice:pa%3Ass@")
        said = transport.request("HEAD", url).headers["x-authorization"]

    assert base64.b64decode(said.removeprefix("Basic ")) == b"al@ice:pa:ss"


@pytest.mark.parametrize(
    "url", ["http://", "ftp://a/", "http://a:99999999/", "http://[::1", "http://a b/", f"http://{'a' * 64}/"]
)
def test_what_is_no_url_is_said_so(url: str) -> None:
    """At once, and not as if the network were in the way."""
    with pytest.raises(NetworkError, match="is not a URL"):
        Direct(without_tls).send("GET", url, {}, None, Timeouts(connect=5, answer=5))


def test_a_refusal_is_heard_though_the_body_was_not_taken(sender: Sender) -> None:
    """Who is not let in need not be listened to."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with Transport(sender=sender) as transport:
            answer = transport.request(
                "PUT", url, headers={"Content-Length": str(1 << 20)}, content=lambda: [bytes(1 << 16)] * 16, ok=(403,)
            )
        thread.join()

    assert answer.body == b"no"


def test_a_body_that_fails_ends_the_request_with_its_own_error(sender: Sender) -> None:
    """And the connection, on which half a request was sent, serves no other."""

    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise ValueError("the blob is damaged")

    with echo() as url, Transport(sender=sender) as transport:
        with pytest.raises(ValueError, match="damaged"):
            transport.request("PUT", url, headers={"Content-Length": "6"}, content=broken)

        assert transport.request("GET", url).status == 200


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody signed, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run([*command.split(), *names], check=True, capture_output=True, timeout=60)
    return folder / "cert.pem"


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """A server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.mark.tool
def test_a_certificate_that_is_not_trusted_is_said_so(tls: ssl.SSLContext) -> None:
    """After one try, with the way to trust it."""
    with echo(tls) as url, Transport() as transport:
        with pytest.raises(NetworkError, match=r"the certificate of 127\.0\.0\.1:\d+ is not trusted: self") as caught:
            transport.request("GET", url)

        assert transport.traffic.requests == 1
    assert caught.value.fix[0].startswith("SSL_CERT_FILE=")


@pytest.mark.tool
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_the_certificates_of_an_organisation(
    variable: str, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both of the variables that name a file of certificates count."""
    monkeypatch.setenv(variable, str(certificate))

    with echo(tls) as url, Transport() as transport:
        assert transport.request("GET", url).status == 200
        assert transport.request("HEAD", url).status == 200


@pytest.mark.tool
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_are_not_there(variable: str, monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext) -> None:
    """A variable that names no file is an error that names the variable."""
    monkeypatch.setenv(variable, "/nowhere/ca.pem")

    with echo(tls) as url, Transport() as transport, pytest.raises(NetworkError, match=variable) as caught:
        transport.request("GET", url)

    assert re.fullmatch("/nowhere/ca.pem: (there is no|No) such file.*", caught.value.why[0])


@pytest.mark.tool
@pytest.mark.parametrize("hashed", [False, True])
def test_a_python_that_looks_for_certificates_elsewhere(
    hashed: bool, tls: ssl.SSLContext, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built for another distribution, it has none of its own: then those of this one are taken."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    nowhere = SimpleNamespace(cafile=None, capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    monkeypatch.setattr(certificates, "_BUNDLES", ("/nowhere/ca.pem", str(certificate)))
    if hashed:
        (tmp_path / "0123abcd.0").touch()

    with echo(tls) as url, Transport() as transport:
        if hashed:
            with pytest.raises(NetworkError, match="is not trusted"):
                transport.request("GET", url)
        else:
            assert transport.request("GET", url).status == 200


@pytest.mark.tool
def test_a_refusal_is_heard_through_tls(tls: ssl.SSLContext, certificate: Path) -> None:
    """The other side says no and closes, while the body is still being sent."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with tls.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(100)
                wrapped.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
                while wrapped.recv(1 << 16):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        with Transport(sender=Direct(lambda place: trusted({"REQUESTS_CA_BUNDLE": str(certificate)}))) as transport:
            answer = transport.request(
                "PUT", url, headers={"Content-Length": str(1 << 20)}, content=lambda: [bytes(1 << 16)] * 16, ok=(403,)
            )
        thread.join()

    assert answer.body == b"no"


def test_a_head_that_ends_early_is_noticed(sender: Sender) -> None:
    """Headers that were cut are no answer, though what came of them reads well."""
    with (
        scripted(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nLoca") as (url, _),
        pytest.raises(Unanswered) as caught,
    ):
        sender.send("POST", url, {}, b"", Timeouts(connect=5, answer=5))

    assert caught.value.kind == "transient"


@pytest.mark.tool
def test_the_certificates_of_one_host(tls: ssl.SSLContext, certificate: Path, tmp_path: Path) -> None:
    """In a folder of its name, as docker has them; its own certificate is shown to who asks for one."""
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(certificate)

    with echo(tls) as url, Transport(certificates=[tmp_path]) as transport:
        folder = tmp_path / url.removeprefix("https://")
        folder.mkdir()
        (folder / "ca.crt").write_bytes(certificate.read_bytes())
        (folder / "client.cert").write_bytes(certificate.read_bytes())
        with pytest.raises(NetworkError, match="it needs its key beside it"):
            transport.request("GET", url)
        (folder / "client.key").write_bytes(certificate.with_name("key.pem").read_bytes())

        assert transport.request("GET", url).status == 200


def test_no_folder_is_looked_at_for_what_is_no_host() -> None:
    """A name in a URL leads nowhere else."""
    root = Path(__file__).parent
    assert [folders_for(host, [root.parent]) for host in ("..", ".", "", "a/b")] == [()] * 4
    assert folders_for("transport", [root.parent]) == (root,)


@pytest.mark.parametrize(
    ("environ", "has"),
    [
        ({}, False),
        ({"NO_PROXY": "*"}, False),
        ({"https_proxy": ""}, False),
        ({"HTTPS_PROXY": "http://proxy.example.com"}, True),
        ({"all_proxy": "socks5://proxy.example.com"}, True),
    ],
)
def test_where_a_proxy_is_set(environ: dict[str, str], has: bool) -> None:
    """In either case of letters. Which hosts it is for is decided later."""
    assert has_proxy(environ) == has


def test_a_proxy_is_asked_for_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the whole address, and NO_PROXY counts."""
    asked: list[str] = []

    class Proxy(_Echo):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            super().do_HEAD()

    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with echo(handler=Proxy) as url:
        monkeypatch.setenv("http_proxy", url)
        with Transport(insecure_hosts=["registry.example.com"]) as transport:
            transport.request("HEAD", "http://registry.example.com/v2/")

    assert asked == ["http://registry.example.com/v2/"]


@pytest.mark.tool
def test_no_proxy_comes_between_this_machine_and_itself_with_tls(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY is for other hosts as well."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    with echo(tls) as url, Transport() as transport:
        assert transport.request("GET", url).status == 200
