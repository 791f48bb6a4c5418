"""What a registry that means harm sends is refused, and gets nothing that it should not have."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imagewright.errors import ImagewrightError, IntegrityError, NetworkError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import canonical_json, digest_of
from imagewright.oci.index import Index
from imagewright.oci.platform import Platform
from imagewright.store.copy import copy_image
from imagewright.store.images import read_image
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.logins import Given, Login
from imagewright.store.registry.repository import Repository
from imagewright.testing.fake_registry import PASSWORD, USERNAME, FakeRegistry, Fault
from imagewright.testing.images import make_image
from imagewright.transport import Transport

AMD64 = Platform("linux", "amd64")
ALICE = Given(Login(USERNAME, PASSWORD, "a test"))


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(sleep=lambda seconds: None) as made:
        yield made


def put(registry: FakeRegistry, document: Any, media_type: str = media_types.IMAGE_MANIFEST) -> Descriptor:
    """A document as the registry's manifest ``latest``, whatever it is."""
    data = document if isinstance(document, bytes) else canonical_json(document)
    digest = digest_of(data)
    registry.manifests["latest"] = registry.manifests[digest] = (media_type, data)
    return Descriptor(media_type, digest, len(data))


def manifest(**changes: Any) -> dict[str, Any]:
    made = json.loads(make_image().image.manifest)
    return {**made, **changes}


MANIFESTS: dict[str, Callable[[FakeRegistry], Descriptor]] = {
    "an index as well": lambda r: put(r, manifest(manifests=[])),
    "announced as something else": lambda r: put(r, manifest(), media_types.DOCKER_MANIFEST),
    "bottomless": lambda r: put(r, b'{"a":' * 50_000),
    "a thousand and one layers": lambda r: put(r, manifest(layers=[manifest()["layers"][0]] * 1001)),
    "a digest that is a path": lambda r: put(
        r, manifest(config={"mediaType": "x", "digest": "sha256:../../../etc/passwd", "size": 1})
    ),
    "a config without end": lambda r: put(
        r, manifest(config={"mediaType": media_types.IMAGE_CONFIG, "digest": digest_of(b"x"), "size": 1 << 40})
    ),
    "an index that lists itself as large": lambda r: put(
        r,
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    "mediaType": media_types.IMAGE_MANIFEST,
                    "digest": digest_of(b"x"),
                    "size": 1 << 40,
                    "platform": {"os": "linux", "architecture": "amd64"},
                }
            ],
        },
        media_types.IMAGE_INDEX,
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_hostile_manifest_is_refused_as_a_base_and_as_a_copy(name: str, transport: Transport) -> None:
    """With an error of ours, and nothing of it fetched but small documents."""
    registry = FakeRegistry()
    with registry.serve() as place:
        root = MANIFESTS[name](registry)
        repository = Repository(place, "acme/demo", transport)

        with pytest.raises(ImagewrightError):
            read_image(repository, root, AMD64, name="base")
        with pytest.raises(ImagewrightError):
            copy_image(repository, here := MemoryStore(), root, tag="latest")

    assert here.resolve("latest") is None
    assert transport.traffic.received < 2 << 20


def test_indexes_in_indexes_end(transport: Transport) -> None:
    """However deep a registry builds them."""
    registry, made = FakeRegistry(), make_image()
    registry.manifests[made.image.descriptor.digest] = (media_types.IMAGE_MANIFEST, made.image.manifest)
    root = made.image.descriptor
    for _ in range(50):
        data = Index((root,)).to_bytes()
        registry.manifests[digest_of(data)] = (media_types.IMAGE_INDEX, data)
        root = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data), platform=AMD64)
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        with pytest.raises(IntegrityError, match="indexes in indexes without end"):
            copy_image(repository, MemoryStore(), root)
        with pytest.raises(ImagewrightError):
            read_image(repository, root, AMD64, name="base")

    assert len(registry.requests) < 20


def test_a_manifest_of_another_digest_is_refused(transport: Transport) -> None:
    """A tag is resolved by its headers: what they say must be what comes."""
    registry, made = FakeRegistry(), make_image()
    other = canonical_json(manifest(annotations={"evil": "yes"}))
    with registry.serve() as place:
        root = put(registry, made.image.manifest)
        registry.manifests[root.digest] = (media_types.IMAGE_MANIFEST, other)
        with pytest.raises(IntegrityError, match="other bytes"):
            copy_image(Repository(place, "acme/demo", transport), MemoryStore(), root)


def test_more_than_was_announced_is_not_taken(transport: Transport) -> None:
    """Bytes are counted while they come; an answer without a length that goes on for ever is cut."""
    registry, blob = FakeRegistry(), Descriptor("application/octet-stream", digest_of(b"hello"), 5)
    endless = Fault(200, {"Content-Length": "5000000"}, b"x" * 5_000_000)
    registry.fault = lambda method, path: endless if method == "GET" else None
    with registry.serve() as place, pytest.raises(IntegrityError):
        b"".join(Repository(place, "acme/demo", transport).fetch(blob))

    assert transport.traffic.received < 1 << 20


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_blob_elsewhere_is_fetched_without_the_login(transport: Transport, auth: str) -> None:
    """Registries send their readers to a storage that has to know nothing of them."""
    registry, storage = FakeRegistry(auth=auth), FakeRegistry()
    data = b"hello"
    with registry.serve() as place, storage.serve() as elsewhere:
        blob = Descriptor("application/octet-stream", digest_of(data), len(data))
        storage.keep("acme/demo", data)
        away = Fault(307, {"Location": f"http://{elsewhere}/v2/acme/demo/blobs/{blob.digest}"})
        registry.fault = lambda method, path: away if "/blobs/" in path and registry.authorizations[-1] else None

        assert b"".join(Repository(place, "acme/demo", transport, ALICE).fetch(blob)) == data

    assert registry.authorizations[-1]
    assert storage.authorizations == [""]


def test_a_redirect_without_end_is_an_error(transport: Transport) -> None:
    """Also of a registry."""
    registry = FakeRegistry()
    registry.fault = lambda method, path: Fault(307, {"Location": path})
    with registry.serve() as place, pytest.raises(NetworkError, match="redirects without end"):
        Repository(place, "acme/demo", transport).resolve("latest")

    assert len(registry.requests) < 40
