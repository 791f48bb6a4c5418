"""Manifests, indexes and descriptors that somebody hostile wrote are refused."""

import base64
import json
from typing import Any

import pytest

from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.document import parse_object
from imagewright.oci.index import Index
from imagewright.oci.manifest import Manifest
from imagewright.oci.platform import Platform

BLOB = Descriptor("application/octet-stream", digest_of(b"x"), 1)
CONFIG = Descriptor(media_types.IMAGE_CONFIG, digest_of(b"{}"), 2)


def manifest(**changes: Any) -> bytes:
    document = json.loads(Manifest(CONFIG, (BLOB,)).to_bytes())
    return json.dumps({**document, **changes}).encode()


def index(**changes: Any) -> bytes:
    return json.dumps({**json.loads(Index((BLOB,)).to_bytes()), **changes}).encode()


def test_what_is_written_is_read() -> None:
    """All fields come back."""
    whole = Manifest(CONFIG, (BLOB,), annotations={"a": "b"}, artifact_type="application/vnd.example", subject=CONFIG)
    listed = Index((Descriptor(media_types.IMAGE_MANIFEST, BLOB.digest, 1, platform=Platform("linux", "arm64")),))

    assert Manifest.parse(whole.to_bytes(), media_type=whole.media_type) == whole
    assert Index.parse(listed.to_bytes(), media_type=listed.media_type) == listed
    assert Index.parse(listed.to_bytes(), media_type=listed.media_type).manifests[0].platform == Platform(
        "linux", "arm64"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{",
        b"\xff",
        b'{"a":' * 100_000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b'{"config": 1, "config": 2}',
        b" " * 11 + b"{}",
    ],
    ids=["list", "cut", "no text", "bottomless", "deep", "named twice", "large"],
)
def test_a_document_that_two_readers_could_read_differently_is_none(data: bytes) -> None:
    """Nor one that would exhaust its reader."""
    limit = 12 if data.startswith(b" ") else 1 << 30
    with pytest.raises(ValueError):  # noqa: PT011 each has words of its own
        parse_object(data, limit=limit)


@pytest.mark.parametrize(
    "changes",
    [
        {"manifests": []},
        {"fsLayers": []},
        {"schemaVersion": 1},
        {"mediaType": media_types.IMAGE_INDEX},
        {"layers": "x"},
        {"layers": [BLOB.to_json()] * 1001},
        {"config": None},
        {"subject": "x"},
        {"layers": [{**BLOB.to_json(), "digest": "sha256:../../etc/passwd"}]},
        {"layers": [{**BLOB.to_json(), "digest": "md5:" + "0" * 32}]},
        {"layers": [{**BLOB.to_json(), "size": -1}]},
        {"layers": [{**BLOB.to_json(), "size": 1 << 60}]},
        {"layers": [{**BLOB.to_json(), "size": True}]},
        {"layers": [{**BLOB.to_json(), "data": base64.b64encode(b"y").decode()}]},
        {"layers": [{**BLOB.to_json(), "data": "!"}]},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_a_hostile_manifest_is_refused(changes: dict[str, Any]) -> None:
    """Whichever field it is that lies."""
    Manifest.parse(manifest(), media_type=media_types.IMAGE_MANIFEST)

    with pytest.raises(ValueError):  # noqa: PT011 each has words of its own
        Manifest.parse(manifest(**changes), media_type=media_types.IMAGE_MANIFEST)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": []},
        {"config": {}},
        {"fsLayers": []},
        {"mediaType": media_types.IMAGE_MANIFEST},
        {"manifests": None},
        {"manifests": [BLOB.to_json()] * 1001},
        {"manifests": [{}]},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_a_hostile_index_is_refused(changes: dict[str, Any]) -> None:
    """Whichever field it is that lies."""
    Index.parse(index(), media_type=media_types.IMAGE_INDEX)

    with pytest.raises(ValueError):  # noqa: PT011 each has words of its own
        Index.parse(index(**changes), media_type=media_types.IMAGE_INDEX)


def test_where_else_a_blob_could_be_had_is_not_looked_at() -> None:
    """``urls`` would let a manifest send requests from here to anywhere; right ``data`` is no harm."""
    document = {**BLOB.to_json(), "urls": ["http://169.254.169.254/"], "data": base64.b64encode(b"x").decode()}

    assert "169.254" not in json.dumps(Descriptor.from_json(document).to_json())
