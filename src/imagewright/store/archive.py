"""An image as one tar file, as other tools load it."""

import json
import tarfile
from collections.abc import Iterable
from typing import Any, Protocol

from imagewright.errors import StoreError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import hex_of
from imagewright.oci.manifest import Manifest
from imagewright.store.contents import reachable
from imagewright.store.layout import REF_NAME
from imagewright.store.protocol import BlobStore


class Out(Protocol):
    """Where the archive goes."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""
        ...


def export_oci_archive(source: BlobStore, image: Descriptor, out: Out, *, name: str) -> None:
    """Write an image, or an index of images, as a tar of an OCI image layout: what ``skopeo copy oci-archive:FILE`` reads.

    ``name`` is its reference name there. Streamed; equal images and names give equal bytes.
    """
    blobs, manifests = reachable(source, image)
    _export(source, blobs, manifests, [_named(image, name)], out, {})


def export_docker_archive(source: BlobStore, image: Descriptor, out: Out, *, name: str) -> None:
    """Write an image as ``docker load`` and ``podman load`` take it, which then call it ``name`` (``repository:tag``).

    It is an OCI archive with Docker's manifest.json beside it, as ``docker save`` writes since Docker 25; older ones
    take it as well. Streamed; equal images and names give equal bytes.

    Raises:
        StoreError: It is an index: Docker's form holds one platform.
    """
    if image.media_type not in media_types.MANIFESTS:
        what = f"{name} holds several platforms, and a docker archive holds one"
        raise StoreError(what, fix="--platform linux/amd64, or --format oci-archive, which holds them all")
    manifest = Manifest.parse(b"".join(source.fetch(image)), media_type=image.media_type)
    entry = {
        "Config": _path(manifest.config),
        "RepoTags": [name],
        "Layers": [_path(layer) for layer in manifest.layers],
    }
    blobs, manifests = reachable(source, image)
    _export(source, blobs, manifests, [_named(image, name)], out, {"manifest.json": [entry]})


def _export(
    source: BlobStore,
    blobs: Iterable[Descriptor],
    manifests: Iterable[Descriptor],
    index: Iterable[dict[str, Any]],
    out: Out,
    more: dict[str, Any],
) -> None:
    documents = {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX, "manifests": list(index)},
        **more,
    }
    for name, document in documents.items():
        data = json.dumps(document, separators=(",", ":")).encode()
        _entry(name, len(data), [data], out)
    for folder in ("blobs/", "blobs/sha256/"):
        out.write(_header(folder, 0, tarfile.DIRTYPE, 0o755))
    for blob in sorted({*blobs, *manifests}, key=lambda blob: blob.digest):
        _entry(_path(blob), blob.size, source.fetch(blob), out)
    out.write(bytes(2 * tarfile.BLOCKSIZE))


def _entry(name: str, size: int, chunks: Iterable[bytes], out: Out) -> None:
    """One file; the chunks are of ``size`` bytes together, which whoever makes them has checked."""
    out.write(_header(name, size, tarfile.REGTYPE, 0o644))
    for chunk in chunks:
        out.write(chunk)
    out.write(bytes(-size % tarfile.BLOCKSIZE))


def _header(name: str, size: int, kind: bytes, mode: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode = size, kind, mode
    # GNU's form, for files over 8 GiB: every reader of archives knows it.
    return member.tobuf(tarfile.GNU_FORMAT)


def _named(image: Descriptor, name: str) -> dict[str, Any]:
    document = image.to_json()
    document["annotations"] = {**document.get("annotations", {}), REF_NAME: name}
    return document


def _path(blob: Descriptor) -> str:
    return f"blobs/sha256/{hex_of(blob.digest)}"
