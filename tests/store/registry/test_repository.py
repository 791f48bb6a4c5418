"""A registry as a store: what is asked, what is sent, and what is said when it goes wrong."""

import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.errors import CredentialsError, ImagewrightError, IntegrityError, NetworkError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.store.copy import copy_image
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.keychain import Keychain
from imagewright.store.registry.logins import Credentials, Login
from imagewright.store.registry.repository import Repository
from imagewright.testing.images import make_image
from imagewright.testing.registry import IDENTITY_TOKEN, PASSWORD, USERNAME, FakeRegistry, Fault
from imagewright.transport import Answer, Transport, Unanswered

ALICE = Login(USERNAME, PASSWORD, "~/.docker/config.json")


class Knows:
    """Credentials with one login."""

    def __init__(self, login: Login) -> None:
        self.login = login

    def find(self, registry: str, repository: str) -> Login:
        return self.login


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A real client that does not wait between its tries."""
    with Transport(sleep=lambda seconds: None) as made:
        yield made


def blob_of(data: bytes) -> Descriptor:
    return Descriptor("application/octet-stream", digest_of(data), len(data))


def pushed(registry: FakeRegistry, transport: Transport, credentials: Credentials | None = None) -> Repository:
    """A repository of ``registry`` that an image was pushed to as ``latest``."""
    made, source = make_image({"a": b"1"}, {"b": b"2"}), MemoryStore()
    repository = Repository(registry.place, "acme/demo", transport, credentials)
    copy_image(source, repository, made.push_to(source), tag="latest", jobs=1)
    return repository


def text_of(error: ImagewrightError) -> str:
    return "\n".join([f"{error.code} {error.what}", *error.why, *(f"help: {line}" for line in error.fix)])


@pytest.mark.parametrize(("tag", "there"), [("latest", True), ("other", False)])
def test_whether_an_image_is_there_is_one_request(transport: Transport, tag: str, there: bool) -> None:
    """One HEAD says yes with the digest, or no."""
    registry = FakeRegistry()
    with registry.serve():
        pushed(registry, transport)
        registry.requests.clear()

        found = Repository(registry.place, "acme/demo", transport).resolve(tag)

    assert registry.requests == [("HEAD", f"/v2/acme/demo/manifests/{tag}")]
    assert (found is not None) == there
    if found is not None:
        assert registry.manifests[found.digest][1] == registry.manifests["latest"][1]


def test_a_blob_costs_three_requests_and_one_that_is_there_costs_one(transport: Transport) -> None:
    """HEAD, POST, PUT for each new blob; a second push by another process asks once for each; the manifest is one PUT."""
    registry = FakeRegistry()
    with registry.serve():
        pushed(registry, transport)
        first = [method for method, _ in registry.requests]
        registry.requests.clear()
        repository = pushed(registry, transport)
        second = [method for method, _ in registry.requests]
        registry.requests.clear()
        assert repository.exists(repository.resolve("latest") or blob_of(b""))

    assert first == ["HEAD", "POST", "PUT"] * 3 + ["PUT"]
    assert second == ["HEAD"] * 3 + ["PUT"]
    assert registry.requests == [("HEAD", "/v2/acme/demo/manifests/latest")]


def test_an_image_that_is_there_vouches_for_its_blobs(transport: Transport) -> None:
    """One request says that the manifest is there: what it names is then neither asked for nor sent."""
    registry = FakeRegistry()
    with registry.serve():
        pushed(registry, transport)
        repository = Repository(registry.place, "acme/demo", transport)
        manifest = repository.resolve("latest")
        assert manifest is not None
        layer, absent = blob_of(b"layer"), blob_of(b"absent")
        registry.requests.clear()

        assert repository.claim(manifest, [layer])
        assert not repository.claim(replace(manifest, digest=digest_of(b"other")), [absent])

        assert repository.exists(layer)
        assert not repository.exists(absent)

    assert [method for method, _ in registry.requests] == ["HEAD"] * 3


def test_a_tag_that_may_not_be_changed_is_what_it_shall_be(transport: Transport) -> None:
    """A registry with fixed tags refuses the same image as well: that is no failure, and another image is one."""
    registry = FakeRegistry()
    with registry.serve():
        repository = pushed(registry, transport)
        manifest = repository.resolve("latest")
        assert manifest is not None
        registry.fault = lambda method, path: Fault(400) if method == "PUT" else None

        repository.tag(manifest, "latest", registry.manifests["latest"][1])
        with pytest.raises(NetworkError, match="does not take the manifest"):
            repository.tag(manifest, "other", registry.manifests["latest"][1])


def test_threads_that_push_one_blob_send_it_once(transport: Transport) -> None:
    """docker-registry may refuse the manifest when a blob was sent twice at once."""
    registry, data = FakeRegistry(), b"x" * 100_000
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: repository.push(blob_of(data), [data]), range(8)))

    assert [method for method, _ in registry.requests] == ["HEAD", "POST", "PUT"]


def test_a_large_blob_is_streamed(transport: Transport) -> None:
    """Sending 64 MiB takes a few of them in memory."""
    registry = FakeRegistry()
    chunk, count = b"z" * (1 << 20), 64
    blob = Descriptor("application/octet-stream", digest_of(chunk * count), count << 20)
    peak = 0

    def chunks() -> Iterator[bytes]:
        nonlocal peak
        for _ in range(count):
            peak = max(peak, tracemalloc.get_traced_memory()[0])
            yield bytes(chunk)

    with _Swallow() as place:
        tracemalloc.start()
        try:
            Repository(place, "acme/demo", transport).push(blob, chunks())
        finally:
            tracemalloc.stop()

    assert peak < 12 << 20
    assert registry.requests == []


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_login_is_found_when_it_is_asked_for(transport: Transport, auth: str) -> None:
    """With basic and with token authentication an image can be pushed and resolved."""
    registry = FakeRegistry(auth=auth)
    with registry.serve():
        repository = pushed(registry, transport, Knows(ALICE))

        assert repository.resolve("latest") is not None
        assert (
            b"".join(repository.fetch(repository.resolve("latest") or blob_of(b""))) == registry.manifests["latest"][1]
        )


def test_an_identity_token_is_turned_into_tokens(transport: Transport) -> None:
    """As the logins of some clouds are."""
    registry = FakeRegistry(auth="bearer")
    with registry.serve():
        repository = pushed(registry, transport, Knows(Login("", "", "DOCKER_AUTH_CONFIG", IDENTITY_TOKEN)))

        assert repository.resolve("latest") is not None


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_login_is_found_for_a_fetch_as_well(transport: Transport, auth: str) -> None:
    """Also when fetching is the first that is asked; without a login it is refused."""
    registry, blob = FakeRegistry(auth=auth), blob_of(b"hello")
    registry.blobs[blob.digest] = b"hello"
    with registry.serve() as place:
        assert b"".join(Repository(place, "acme/demo", transport, Knows(ALICE)).fetch(blob)) == b"hello"
        with pytest.raises(CredentialsError, match="wants a login to pull acme/demo, and none was found"):
            b"".join(Repository(place, "acme/demo", transport).fetch(blob))


def test_a_login_is_never_sent_without_tls() -> None:
    """A registry with TLS that names a token server without it gets nothing."""
    sent: list[tuple[str, str, Mapping[str, str]]] = []

    class Hostile:
        def send(self, method: str, url: str, headers: Mapping[str, str], *rest: object) -> Answer:
            sent.append((method, url, headers))
            return Refusal()

        def close(self) -> None:
            """Nothing is open."""

    class Refusal:
        status = 401
        headers: Mapping[str, str] = {"www-authenticate": 'Bearer realm="http://example.com/token"'}

        def chunks(self) -> Iterator[bytes]:
            return iter(())

        def close(self) -> None:
            """Nothing is open."""

    with pytest.raises(NetworkError, match="sends logins to a place without TLS"):
        Repository("example.com", "acme/demo", Transport(sender=Hostile()), Knows(ALICE)).resolve("latest")

    assert len(sent) == 1
    assert "authorization" not in sent[0][2]


def test_an_anonymous_token_reads_what_everybody_may_read(transport: Transport) -> None:
    """A public repository needs no login, though it wants a token."""
    registry = FakeRegistry(auth="bearer", reads="anyone")
    with registry.serve():
        pushed(registry, transport, Knows(ALICE))

        assert Repository(registry.place, "acme/demo", transport).resolve("latest") is not None


def test_a_login_that_is_missing(transport: Transport, tmp_path: Path) -> None:
    """The error names the repository, what for, and every place that was looked at."""
    registry = FakeRegistry(auth="basic")
    config = tmp_path / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {"ghcr.io": {"auth": "eDp5"}}}))
    with registry.serve() as place, pytest.raises(CredentialsError) as caught:
        pushed(registry, transport, Keychain({}, tmp_path))

    assert caught.value.exit_code == 4
    assert text_of(caught.value) == (
        f"IW401 {place} wants a login to push acme/demo, and none was found\n"
        f"looked in: DOCKER_AUTH_CONFIG (unset), ~/.docker/config.json (1 entry, none for {place}), "
        "~/.config/containers/auth.json (absent)\n"
        f"help: docker login {place}          or: imagewright login {place}"
    )


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_login_that_is_wrong(transport: Transport, auth: str) -> None:
    """The error names the user and where the login was found, and the password is not in it."""
    registry = FakeRegistry(auth=auth)
    with registry.serve() as place, pytest.raises(CredentialsError) as caught:
        Repository(place, "acme/demo", transport, Knows(Login("bob", "h3mmelig", "~/.docker/config.json"))).resolve("x")

    assert caught.value.code == "IW401"
    assert caught.value.what == f"{place} does not accept the login of 'bob' (~/.docker/config.json)"
    assert "h3mmelig" not in text_of(caught.value)


def test_a_push_that_is_refused(transport: Transport) -> None:
    """The error names the user and quotes the registry."""
    registry = FakeRegistry(auth="basic", writes="nobody")
    with registry.serve() as place, pytest.raises(CredentialsError) as caught:
        pushed(registry, transport, Knows(ALICE))

    assert text_of(caught.value) == (
        f"IW403 {place} knows you as 'alice' (~/.docker/config.json) but refuses the push to acme/demo\n"
        "it said: denied: permission_denied: write_package\n"
        "help: 'alice' needs write access to acme/demo"
    )


def test_a_token_that_expires_is_asked_for_again(transport: Transport) -> None:
    """When tokens are forgotten in the middle of a push, new ones are got and the push ends well."""
    registry = FakeRegistry(auth="bearer")
    seen: set[str] = set()

    def expire(method: str, path: str) -> Fault | None:
        if method == "PUT" and path not in seen:
            registry.tokens.clear()
            seen.add(path)
        return None

    registry.fault = expire
    with registry.serve():
        repository = pushed(registry, transport, Knows(ALICE))

        assert repository.resolve("latest") is not None


def test_a_login_does_not_go_to_another_host(transport: Transport) -> None:
    """An upload that a registry sends elsewhere goes there without the login."""
    registry, elsewhere = FakeRegistry(auth="basic"), FakeRegistry(auth="basic")
    with registry.serve(), elsewhere.serve() as other:
        away = f"http://{other}/v2/acme/demo/blobs/uploads/1?state=x"
        registry.fault = lambda method, path: (
            Fault(202, {"Location": away}) if method == "POST" and transport.traffic.requests > 2 else None
        )
        with pytest.raises(CredentialsError):
            Repository(registry.place, "acme/demo", transport, Knows(ALICE)).push(blob_of(b"x"), [b"x"])

    assert {method for method, _ in elsewhere.requests} == {"PUT"}
    assert elsewhere.blobs == {}


@pytest.mark.parametrize(
    ("status", "code"), [(500, "IW504"), (503, "IW504"), (429, "IW504"), (418, "IW504"), (301, "IW504")]
)
def test_an_answer_that_says_neither_yes_nor_no_is_an_error(transport: Transport, status: int, code: str) -> None:
    """Whatever else a registry answers is never taken for a yes or a no."""
    registry = FakeRegistry()
    registry.fault = lambda method, path: Fault(status)
    with registry.serve() as place, pytest.raises(NetworkError) as caught:
        Repository(place, "acme/demo", transport).resolve("latest")

    assert caught.value.code == code
    assert caught.value.what == f"the registry cannot tell whether there is {place}/acme/demo:latest"


@pytest.mark.parametrize("status", [405, 500])
def test_a_registry_that_knows_no_head_is_asked_with_get(transport: Transport, status: int) -> None:
    """Harbor answers 500 for a repository that it does not know; others know no HEAD."""
    registry = FakeRegistry()
    with registry.serve() as place:
        pushed(registry, transport)
        registry.fault = lambda method, path: Fault(status) if method == "HEAD" else None
        repository = Repository(place, "acme/demo", transport)

        assert repository.resolve("latest") is not None
        assert repository.resolve("other") is None


def test_a_page_that_is_not_a_manifest_is_an_error(transport: Transport) -> None:
    """A web server that answers everything with 200 is no registry with the image in it."""
    registry = FakeRegistry()
    registry.fault = lambda method, path: Fault(200, {"Content-Type": "text/html"}, b"<html>")
    with registry.serve() as place, pytest.raises(NetworkError) as caught:
        Repository(place, "acme/demo", transport).resolve("latest")

    assert caught.value.code == "IW504"


@pytest.mark.parametrize(
    ("method", "nth"),
    [(method, nth) for method, count in (("HEAD", 3), ("POST", 3), ("PUT", 4)) for nth in range(1, count + 1)],
)
@pytest.mark.parametrize(
    "fault",
    [Fault(500), Fault(503), Fault(429), Fault(close=True), Fault(after=True)],
    ids=["500", "503", "429", "reset", "lost answer"],
)
def test_one_fault_does_not_stop_a_push(transport: Transport, method: str, nth: int, fault: Fault) -> None:
    """Wherever one request fails, or its answer is lost, the image arrives whole and is tagged."""
    registry, count = FakeRegistry(), 0

    def once(requested: str, path: str) -> Fault | None:
        nonlocal count
        count += requested == method
        return fault if requested == method and count == nth else None

    registry.fault = once
    with registry.serve():
        repository = pushed(registry, transport)

        found = repository.resolve("latest")

    assert found is not None
    assert count >= nth


def test_bytes_that_are_not_the_blobs_are_not_sent_as_if_they_were(transport: Transport) -> None:
    """Damage in the source is an error here, whatever the registry checks; and nothing is kept there."""
    registry = FakeRegistry()
    with registry.serve() as place, pytest.raises(IntegrityError):
        Repository(place, "acme/demo", transport).push(blob_of(b"hello"), [b"jello"])

    assert registry.blobs == {}


def test_what_a_registry_sends_is_checked(transport: Transport) -> None:
    """Flipped and missing bytes are errors."""
    registry, blob = FakeRegistry(), blob_of(b"hello")
    with registry.serve() as place:
        for wrong in (b"jello", b"hell"):
            registry.blobs[blob.digest] = wrong
            with pytest.raises(IntegrityError):
                b"".join(Repository(place, "acme/demo", transport).fetch(blob))


def test_a_blob_of_another_size_is_an_error(transport: Transport) -> None:
    """A digest has one size: a registry that says otherwise is not believed."""
    registry, blob = FakeRegistry(), blob_of(b"hello")
    registry.blobs[blob.digest] = b"hell"
    with registry.serve() as place, pytest.raises(IntegrityError, match="of another size"):
        Repository(place, "acme/demo", transport).exists(blob)


def test_a_manifest_that_is_refused(transport: Transport) -> None:
    """The registry's own words are quoted."""
    registry = FakeRegistry()
    body = b'{"errors":[{"code":"MANIFEST_INVALID","message":"too many layers"}]}'
    registry.fault = lambda method, path: Fault(400, {}, body) if method == "PUT" and "manifests" in path else None
    with registry.serve(), pytest.raises(NetworkError, match="does not take the manifest") as caught:
        pushed(registry, transport)

    assert caught.value.why == ("it said: manifest_invalid: too many layers",)
    assert caught.value.kept == "3 of 3 blobs are there"


def test_nobody_listens(transport: Transport) -> None:
    """A refused connection is an error that says how to do without."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(NetworkError) as caught:
            Repository(place, "acme/demo", transport).resolve("latest")

    assert caught.value.exit_code == 5
    assert text_of(caught.value) == (
        f"IW501 nothing answers at {place} (connection refused)\n"
        "help: start the registry, or build without one: --registry local"
    )


def test_nobody_listens_at_imagewrights_own_address() -> None:
    """The error says whose address that is."""

    class Refusing:
        def send(self, *request: object) -> Answer:
            raise Unanswered("connection refused", "refused")

        def close(self) -> None:
            """Nothing is open."""

    with pytest.raises(NetworkError) as caught:
        Repository("localhost:30000", "demo", Transport(sender=Refusing())).resolve("latest")

    assert text_of(caught.value) == (
        "IW501 nothing answers at localhost:30000 (connection refused)\n"
        "That is imagewright's own registry address, and its server is not running.\n"
        "help: start the registry, or build without one: --registry local"
    )


class _Swallow:
    """A registry that takes one upload of any size and keeps nothing of it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> str:
        self._thread.start()
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        for _ in range(3):
            connection, _ = self._socket.accept()
            with connection, connection.makefile("rb") as incoming:
                while line := incoming.readline():
                    method = line.split()[0]
                    headers = {}
                    while (header := incoming.readline().strip()) != b"":
                        name, _, value = header.partition(b":")
                        headers[name.lower()] = value.strip()
                    remaining = int(headers.get(b"content-length", b"0"))
                    while remaining:
                        remaining -= len(incoming.read(min(remaining, 1 << 16)))
                    answer = {
                        b"HEAD": b"404 Not Found\r\n",
                        b"POST": b"202 Accepted\r\nLocation: /upload\r\n",
                        b"PUT": b"201 Created\r\n",
                    }[method]
                    connection.sendall(b"HTTP/1.1 " + answer + b"Content-Length: 0\r\n\r\n")
                    if method == b"HEAD":
                        break
                    if method == b"PUT":
                        return


def test_a_registry_that_does_not_mount_is_sent_the_blob(transport: Transport) -> None:
    """The answer 202 began an upload: the blob is then pushed as any other."""
    registry, blob = FakeRegistry(), blob_of(b"hello")
    with registry.serve() as place:
        source = Repository(place, "acme/base", transport)
        source.push(blob, [b"hello"])
        target = Repository(place, "acme/other", transport)
        registry.blobs.clear()

        assert not target.mount(blob, source)
        target.push(blob, [b"hello"])

    asked = [path for method, path in registry.requests if method == "POST"]
    assert f"/v2/acme/other/blobs/uploads/?mount={blob.digest}&from=acme/base" in asked
    assert registry.blobs[blob.digest] == b"hello"


def test_nothing_is_mounted_from_elsewhere(transport: Transport) -> None:
    """Another registry's blobs, and the repository's own, are not asked for."""
    one = Repository("registry.example.com", "acme/a", transport)

    assert not one.mount(blob_of(b"x"), Repository("other.example.com", "acme/b", transport))
    assert not one.mount(blob_of(b"x"), Repository("registry.example.com", "acme/a", transport))
