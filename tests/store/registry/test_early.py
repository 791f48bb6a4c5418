import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagewright.errors import IntegrityError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.store.layout import Layout
from imagewright.store.registry import upload
from imagewright.store.registry.early import early_upload
from imagewright.store.registry.keychain import Keychain
from imagewright.store.registry.repository import Repository
from imagewright.testing.fake_registry import FakeRegistry, Fault
from imagewright.transport import Transport

DATA = os.urandom(6 << 20)
"""More than is sent without asking first."""

CHUNK = 100_000


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(sleep=lambda seconds: None) as transport:
        yield transport


def written(repository: Repository, folder: Path, data: bytes = DATA) -> tuple[bool, Descriptor]:
    """Write a blob into a store, and send it meanwhile."""
    with Layout(folder).ingest() as blob, early_upload(repository, blob) as early:
        for start in range(0, len(data), CHUNK):
            early.write(data[start : start + CHUNK])
        descriptor = blob.commit(media_types.LAYER_GZIP)
        return early.finish(descriptor), descriptor


def methods(registry: FakeRegistry) -> list[str]:
    return [method for method, _ in registry.requests]


@pytest.mark.parametrize("size", [0, 1, len(DATA)])
def test_what_is_written_has_arrived_when_it_is_whole(transport: Transport, tmp_path: Path, size: int) -> None:
    """One upload, of one part, and the digest at its end; a push afterwards asks nothing."""
    registry = FakeRegistry()
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        sent, blob = written(repository, tmp_path, DATA[:size])
        repository.push(blob, [])

    assert sent
    assert registry.blobs[blob.digest] == DATA[:size]
    assert [method for method in methods(registry) if method != "HEAD"] == ["POST", "PATCH", "PUT"]


@pytest.mark.parametrize(("size", "pieces"), [(0, 0), (1, 1), (99_999, 1), (100_000, 1), (400_001, 5)])
def test_one_that_syncs_what_a_request_brought_gets_pieces(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, pieces: int
) -> None:
    """Each at least and at most so large as is said, each where the one before ended."""
    monkeypatch.setattr(upload, "GROWING_BYTES", (CHUNK, CHUNK))
    registry = FakeRegistry(pieces=True)
    with registry.serve() as place:
        sent, blob = written(Repository(place, "acme/demo", transport), tmp_path, DATA[:size])

    assert sent
    assert registry.blobs[blob.digest] == DATA[:size]
    assert [method for method in methods(registry) if method != "HEAD"] == ["POST", *["PATCH"] * pieces, "PUT"]


def test_a_piece_is_sent_again_with_a_new_login(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token may end between two pieces: the upload goes on, since a piece can be read again."""
    monkeypatch.setattr(upload, "GROWING_BYTES", (1 << 20, 1 << 20))
    registry = FakeRegistry(auth="bearer", pieces=True)
    patched = 0

    def forget(method: str, path: str) -> None:
        nonlocal patched
        patched += method == "PATCH"
        if method == "PATCH" and patched == 3:
            registry.tokens.clear()

    registry.fault = forget
    config = '{"auths": {"%s": {"username": "alice", "password": "wonderland"}}}'
    with registry.serve() as place:
        keychain = Keychain({"DOCKER_AUTH_CONFIG": config % place}, tmp_path)
        sent, blob = written(Repository(place, "acme/demo", transport, keychain), tmp_path)

    assert sent
    assert registry.blobs[blob.digest] == DATA
    assert methods(registry).count("PATCH") == len(DATA) // (1 << 20) + 1


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "pieces"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize("fault", [Fault(500), Fault(404), Fault(close=True)], ids=["500", "404", "reset"])
def test_what_goes_wrong_is_left_to_the_push(
    transport: Transport, tmp_path: Path, method: str, fault: Fault, pieces: bool
) -> None:
    """A registry that does not go along gets the blob afterwards, as any other."""
    registry = FakeRegistry(pieces=pieces)
    registry.fault = lambda requested, path: fault if requested == method else None
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        sent, blob = written(repository, tmp_path)
        registry.fault = lambda requested, path: None
        repository.push(blob, [DATA])

    assert not sent
    assert registry.blobs[blob.digest] == DATA


def test_one_that_is_there_is_not_sent_to_the_end(transport: Transport, tmp_path: Path) -> None:
    """When much is left to send it is asked for, once its digest is known."""
    registry = FakeRegistry()
    digest = registry.keep("acme/demo", DATA)
    registry.fault = lambda method, path: Fault(500) if method == "POST" else None
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        sent, blob = written(repository, tmp_path)
        assert repository.exists(blob)

    assert (sent, blob.digest) == (False, digest)
    assert "PUT" not in methods(registry)


def test_a_login_that_is_asked_for_is_given(transport: Transport, tmp_path: Path) -> None:
    """The request that begins the upload logs in, before any byte is sent."""
    registry = FakeRegistry(auth="basic")
    config = '{"auths": {"%s": {"username": "alice", "password": "wonderland"}}}'
    with registry.serve() as place:
        repository = Repository(
            place, "acme/demo", transport, Keychain({"DOCKER_AUTH_CONFIG": config % place}, tmp_path)
        )
        sent, _ = written(repository, tmp_path)

    assert sent
    assert methods(registry).count("PATCH") == 1


def test_a_writer_that_fails_ends_the_upload(transport: Transport, tmp_path: Path) -> None:
    """Its error comes through, the thread has ended, and no blob is there."""
    registry = FakeRegistry()
    with registry.serve() as place:
        repository = Repository(place, "acme/demo", transport)
        with pytest.raises(IntegrityError, match="broken"):
            fail(repository, tmp_path)

    assert not registry.blobs


def fail(repository: Repository, folder: Path) -> None:
    with Layout(folder).ingest() as blob, early_upload(repository, blob) as early:
        early.write(DATA)
        raise IntegrityError("broken")
