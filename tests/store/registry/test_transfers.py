"""Blobs between here and registries that do things differently: mounts, uploads that go on, pieces, parts, lies."""

from collections.abc import Iterator, Mapping

import pytest

from imagewright.errors import CredentialsError, IntegrityError, NetworkError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.store.copy import copy_image
from imagewright.store.memory import MemoryStore
from imagewright.store.registry import upload
from imagewright.store.registry.logins import Given, Login
from imagewright.store.registry.repository import Repository
from imagewright.store.verify import DamagedInTransit
from imagewright.testing.fake_registry import PASSWORD, USERNAME, FakeRegistry, Fault
from imagewright.testing.fault_proxy import FaultProxy
from imagewright.testing.images import make_image
from imagewright.transport import Answer, Transport

ALICE = Given(Login(USERNAME, PASSWORD, "a test"))


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(sleep=lambda seconds: None) as made:
        yield made


def blob_of(data: bytes) -> Descriptor:
    return Descriptor("application/octet-stream", digest_of(data), len(data))


SMALL = b"hello"
LARGE = bytes(range(256)) * (20 << 10)  # 5 MiB


def asked(registry: FakeRegistry) -> list[str]:
    return [
        f"{method} {path.partition('?')[0].rpartition('/')[0].rpartition('/')[2]}" for method, path in registry.requests
    ]


def test_a_blob_is_mounted_with_one_request(transport: Transport) -> None:
    """The first one with a second request, which asks whether it is really there."""
    registry = FakeRegistry(separate=True, mounts="yes")
    blobs = [blob_of(bytes([n])) for n in range(3)]
    with registry.serve() as place:
        for n in range(3):
            registry.keep("acme/base", bytes([n]))
        source, target = Repository(place, "acme/base", transport), Repository(place, "acme/demo", transport)

        mounted = [target.mount(blob, source) for blob in blobs]

        assert mounted == [True] * 3
        assert asked(registry) == ["POST uploads", "HEAD blobs", "POST uploads", "POST uploads"]
        for blob in blobs:
            target.push(blob, [])
    assert {("acme/demo", blob.digest) for blob in blobs} <= registry.links


def test_a_registry_that_lies_of_its_mounts_is_sent_the_bytes(transport: Transport) -> None:
    """After the first lie it is not asked to mount any more."""
    registry = FakeRegistry(separate=True, mounts="lies")
    with registry.serve() as place:
        registry.keep("acme/base", SMALL)
        source, target = Repository(place, "acme/base", transport), Repository(place, "acme/demo", transport)

        assert not target.mount(blob_of(SMALL), source)
        assert not target.mount(blob_of(b"x"), source)
        target.push(blob_of(SMALL), [SMALL])

    assert [path for _, path in registry.requests if "mount=" in path] == [
        f"/v2/acme/demo/blobs/uploads/?mount={blob_of(SMALL).digest}&from=acme/base"
    ]
    assert registry.blob("acme/demo", blob_of(SMALL).digest) == SMALL


def test_an_upload_that_a_mount_became_is_used(transport: Transport) -> None:
    """202 began an upload: the bytes go there, without another POST."""
    registry = FakeRegistry(separate=True, mounts="no")
    with registry.serve() as place:
        source, target = Repository(place, "acme/base", transport), Repository(place, "acme/demo", transport)

        assert not target.mount(blob_of(SMALL), source)
        target.push(blob_of(SMALL), [SMALL])

    assert [method for method, _ in registry.requests] == ["POST", "PUT"]


def test_a_mount_asks_for_a_token_of_both_repositories(transport: Transport) -> None:
    """Else the registry would not look into the source, and begin an upload."""
    registry = FakeRegistry(auth="bearer", separate=True, mounts="yes")
    with registry.serve() as place:
        registry.keep("acme/base", SMALL)
        source, target = Repository(place, "acme/base", transport), Repository(place, "acme/demo", transport, ALICE)
        assert not target.exists(blob_of(SMALL))

        assert target.mount(blob_of(SMALL), source)

    assert registry.asked_tokens[-1]["scope"] == ["repository:acme/base:pull", "repository:acme/demo:pull,push"]
    assert len(registry.asked_tokens) == 2


def test_an_image_is_copied_within_a_registry_by_mounts(transport: Transport) -> None:
    """No byte of a layer goes over the wire."""
    registry, made, source = FakeRegistry(separate=True, mounts="yes"), make_image(), MemoryStore()
    made.push_to(source)
    with registry.serve() as place:
        base, target = Repository(place, "acme/base", transport), Repository(place, "acme/demo", transport)
        copy_image(source, base, made.image.descriptor, tag="v1")
        registry.requests.clear()

        copy_image(base, target, made.image.descriptor, tag="v1", jobs=1, mount=lambda blob: target.mount(blob, base))

    assert [method for method, _ in registry.requests] == ["GET", "POST", "HEAD", "POST", "PUT"]


@pytest.mark.parametrize("resumes", [True, False])
def test_an_upload_that_was_cut_goes_on_where_it_broke_off(transport: Transport, resumes: bool) -> None:
    """Half has arrived, and the other half is sent; a registry that forgot it gets all again."""
    registry = FakeRegistry(resumes=resumes)
    with registry.serve() as place:
        proxy = FaultProxy(place, lambda number: "cut request" if number == 5 else "")
        with proxy.serve() as through:
            Repository(through, "acme/demo", transport).push(blob_of(LARGE), [LARGE])

    assert registry.blobs[blob_of(LARGE).digest] == LARGE
    sent = transport.traffic.sent
    assert (sent < 1.8 * len(LARGE)) == resumes
    assert sent >= 1.4 * len(LARGE)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_was_cut_is_asked_on_for(transport: Transport, ranges: bool) -> None:
    """Half has come, and the other half is asked for; without ranges all comes again, and what is known is passed over."""
    registry = FakeRegistry(ranges=ranges)
    registry.keep("acme/demo", LARGE)
    with registry.serve() as place:
        proxy = FaultProxy(place, lambda number: "cut response" if number == 3 else "")
        with proxy.serve() as through:
            got = b"".join(Repository(through, "acme/demo", transport).fetch(blob_of(LARGE)))

    assert got == LARGE
    assert (transport.traffic.received < 1.2 * len(LARGE)) == ranges


def test_a_blob_that_breaks_off_for_ever_is_an_error(transport: Transport) -> None:
    """After some tries that bring nothing."""
    registry = FakeRegistry()
    registry.keep("acme/demo", SMALL)
    with registry.serve() as place:
        proxy = FaultProxy(place, lambda number: "cut response" if number > 2 else "")
        with proxy.serve() as through, pytest.raises(NetworkError, match="broke off") as caught:
            b"".join(Repository(through, "acme/demo", transport).fetch(blob_of(SMALL)))

    assert caught.value.code == "IW502"


def test_another_length_is_refused_before_a_byte_is_taken(transport: Transport) -> None:
    """What the registry announces is not the blob's size."""
    registry, blob = FakeRegistry(), blob_of(LARGE)
    registry.blobs[blob.digest] = LARGE + b"more"
    with registry.serve() as place, pytest.raises(DamagedInTransit, match="other bytes"):
        next(iter(Repository(place, "acme/demo", transport).fetch(blob)))

    assert transport.traffic.received < 1 << 18


@pytest.mark.parametrize("most", [1 << 20, 600 << 10])
def test_who_takes_no_large_bodies_gets_pieces(transport: Transport, most: int) -> None:
    """They become smaller until they are taken."""
    registry = FakeRegistry(most_bytes=most)
    with registry.serve() as place:
        Repository(place, "acme/demo", transport).push(blob_of(LARGE), [LARGE[:100], LARGE[100:]])

    assert registry.blobs[blob_of(LARGE).digest] == LARGE
    assert {method for method, _ in registry.requests} == {"HEAD", "POST", "PUT", "PATCH"}


def test_a_piece_that_got_lost_is_sent_again(transport: Transport) -> None:
    """What of it has arrived is not."""
    registry = FakeRegistry(most_bytes=1 << 20)
    lost = iter([True])
    registry.fault = lambda method, path: Fault(after=True) if method == "PATCH" and next(lost, False) else None
    with registry.serve() as place:
        Repository(place, "acme/demo", transport).push(blob_of(LARGE), [LARGE])

    assert registry.blobs[blob_of(LARGE).digest] == LARGE


def test_who_takes_no_bodies_at_all_is_an_error(transport: Transport) -> None:
    """With the setting of the proxy that is usually the reason."""
    registry = FakeRegistry(most_bytes=1000)
    with registry.serve() as place, pytest.raises(NetworkError, match="takes no body of 512 KiB") as caught:
        Repository(place, "acme/demo", transport).push(blob_of(LARGE), [LARGE])

    assert "client_max_body_size" in caught.value.fix[0]
    assert min(upload.PIECE_BYTES) == 512 << 10


def test_a_tag_that_got_another_manifest_is_set_again(transport: Transport) -> None:
    """A registry checks a manifest's digest only when it is named by it: its answer tells what it has stored."""
    registry, made, source = FakeRegistry(), make_image(), MemoryStore()
    made.push_to(source)
    wrong = iter([True])
    registry.fault = lambda method, path: (
        Fault(201, {"Docker-Content-Digest": "sha256:" + "0" * 64})
        if method == "PUT" and path.endswith("/latest") and next(wrong, False)
        else None
    )
    with registry.serve() as place:
        copy_image(source, Repository(place, "acme/demo", transport), made.image.descriptor, tag="latest")
        assert registry.manifests["latest"][1] == made.image.manifest

        registry.fault = lambda method, path: (
            Fault(201, {"Docker-Content-Digest": "sha256:" + "0" * 64}) if method == "PUT" else None
        )
        with pytest.raises(IntegrityError, match="has stored another manifest"):
            copy_image(source, Repository(place, "acme/demo", transport), made.image.descriptor, tag="other")


@pytest.mark.parametrize("expires_in", [None, 300, 5])
def test_a_token_is_kept_until_it_ends(expires_in: int | None) -> None:
    """And replaced before, so that no request is refused for it."""
    now = 0.0
    registry, blobs = FakeRegistry(auth="bearer", expires_in=expires_in), [blob_of(bytes([n])) for n in range(4)]
    with registry.serve() as place, Transport(clock=lambda: now) as transport:
        repository = Repository(place, "acme/demo", transport, ALICE)
        for blob in blobs:
            repository.push(blob, [bytes([blobs.index(blob)])])
            now += 30.0

    tokens = {None: 2, 300: 1, 5: 4}[expires_in]  # a token that does not say it is good for a minute
    assert len(registry.asked_tokens) == tokens
    assert len(registry.requests) == 1 + tokens + 3 * 4


def test_one_token_is_for_many_threads(transport: Transport) -> None:
    """All that were refused at once use the one that the first of them gets."""
    from concurrent.futures import ThreadPoolExecutor

    registry = FakeRegistry(auth="bearer")
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport, ALICE)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: repository.push(blob_of(bytes([n])), [bytes([n])]), range(16)))

    assert len(registry.asked_tokens) == 1


def test_a_right_that_a_login_has_not_is_said_so(transport: Transport) -> None:
    """The token server took the login, so it is known; a token that is not enough is not asked for again and again."""
    registry = FakeRegistry()
    realm = 'Bearer realm="http://{place}/token",service="fake",error="insufficient_scope"'
    registry.fault = lambda method, path: (
        Fault(401, {"WWW-Authenticate": realm.format(place=registry.place)}) if not path.startswith("/token") else None
    )
    with registry.serve() as place, pytest.raises(CredentialsError, match="knows you as 'alice'") as caught:
        Repository(place, "acme/demo", transport, ALICE).push(blob_of(SMALL), [SMALL])

    assert caught.value.code == "IW403"
    assert [method for method, _ in registry.requests] == ["HEAD", "GET", "HEAD"]


def test_an_upload_never_gives_up_tls() -> None:
    """A Location without TLS, or a token server elsewhere without TLS, gets nothing from a registry with TLS."""
    sent: list[str] = []

    class Made:
        def __init__(self, status: int, headers: Mapping[str, str]) -> None:
            self.status, self.headers = status, headers

        def chunks(self) -> Iterator[bytes]:
            return iter(())

        def close(self) -> None:
            """Nothing is open."""

    class Hostile:
        def send(self, method: str, url: str, *rest: object) -> Answer:
            sent.append(url)
            return Made(404, {}) if method == "HEAD" else Made(202, {"location": "http://registry.example.com/upload"})

        def close(self) -> None:
            """Nothing is open."""

    with pytest.raises(NetworkError, match="sends uploads to a place without TLS"):
        Repository("registry.example.com", "acme/demo", Transport(sender=Hostile())).push(blob_of(SMALL), [SMALL])

    assert all(url.startswith("https://") for url in sent)


def test_tags_are_listed_page_by_page(transport: Transport) -> None:
    """All of them, however many come at once; a repository that is not there has none; nonsense is an error."""
    registry, made, source = FakeRegistry(most_tags=2), make_image(), MemoryStore()
    made.push_to(source)
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        assert repository.tags() == ()
        for number in range(5):
            copy_image(source, repository, made.image.descriptor, tag=f"v{number}")

        assert repository.tags() == ("v0", "v1", "v2", "v3", "v4")
        registry.fault = lambda method, path: Fault(200, {}, b'{"tags": ["../.."]}')
        with pytest.raises(NetworkError, match="something else than its tags"):
            repository.tags()
