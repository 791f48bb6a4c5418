"""Images in files of this machine, to be read and never changed: OCI layouts, and archives of both forms."""

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import StoreError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import Digest, digest_of, hex_of
from imagewright.oci.manifest import Manifest
from imagewright.spec.base_image import LocalImage, chosen_docker_image, chosen_manifest
from imagewright.store.verify import verified

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Piece:
    """Where bytes are: in a file, from ``offset`` on; ``size`` None is to the file's end."""

    path: Path
    offset: int = 0
    size: int | None = None

    def chunks(self) -> Iterator[bytes]:
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            left = self.size
            while chunk := file.read(_CHUNK if left is None else min(_CHUNK, left)):
                yield chunk
                if left is not None:
                    left -= len(chunk)

    def read(self) -> bytes:
        return b"".join(self.chunks())


class LocalBlobs:
    """Blobs in files: a `BlobSource`. Safe to share between threads; nothing is written, whatever is found."""

    def __init__(self, place: str, pieces: Mapping[Digest, _Piece], made: Mapping[Digest, bytes]) -> None:
        self._place, self._pieces, self._made = place, pieces, made

    def fetch(self, blob: Descriptor) -> Iterator[bytes]:
        """The blob's bytes, checked."""
        if blob.digest in self._made:
            return verified(blob, [self._made[blob.digest]], self._place)
        if blob.digest not in self._pieces:
            raise StoreError(f"there is no blob {blob.digest} in {self._place}")
        return self._fetch(blob)

    def _fetch(self, blob: Descriptor) -> Iterator[bytes]:
        try:
            yield from verified(blob, self._pieces[blob.digest].chunks(), self._place)
        except OSError as error:
            raise StoreError(f"{self._place} cannot be read", why=error.strerror or str(error)) from error


class _Folder(Mapping[Digest, _Piece]):
    """The blobs of an OCI layout, looked for when they are asked for."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs" / "sha256"

    def __getitem__(self, digest: Digest) -> _Piece:
        path = self._blobs / hex_of(digest)
        if not path.is_file():
            raise KeyError(digest)
        return _Piece(path)

    def __iter__(self) -> Iterator[Digest]:
        return (Digest(f"sha256:{path.name}") for path in self._blobs.iterdir())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def open_local_image(image: LocalImage, directory: Path) -> tuple[LocalBlobs, Descriptor]:
    """The blobs of a local image, and its manifest or index.

    A docker archive has no manifest: one is made of what it lists, the same for the same archive.

    Raises:
        StoreError: It is not there, or not what it is called (IW521).
    """
    path = directory / image.path
    try:
        if image.kind == "oci":
            index = json.loads((path / "index.json").read_bytes())
            return LocalBlobs(str(image), _Folder(path), {}), Descriptor.from_json(chosen_manifest(index, image))
        members = _members(path)
        if image.kind == "oci-archive":
            index = json.loads(members["index.json"].read())
            pieces = {
                Digest(f"sha256:{PurePosixPath(name).name}"): piece
                for name, piece in members.items()
                if name.startswith("blobs/sha256/")
            }
            return LocalBlobs(str(image), pieces, {}), Descriptor.from_json(chosen_manifest(index, image))
        return _docker_archive(image, members)
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
        raise StoreError(
            f"the base image {image} cannot be read", code="IW521", why=f"{type(error).__name__}: {error}"
        ) from error


def _docker_archive(image: LocalImage, members: Mapping[str, _Piece]) -> tuple[LocalBlobs, Descriptor]:
    """Source: moby's image spec v1.2, "Combined Image JSON + Filesystem Changeset Format"."""
    entry: dict[str, Any] = chosen_docker_image(json.loads(members["manifest.json"].read()), image)
    config = members[entry["Config"]].read()
    pieces: dict[Digest, _Piece] = {}
    layers: list[Descriptor] = []
    diff_ids = json.loads(config)["rootfs"]["diff_ids"]
    for name, diff_id in zip(entry["Layers"], diff_ids, strict=True):
        piece = members[name]
        compressed = next(piece.chunks(), b"")[:2] == b"\x1f\x8b"
        digest = _digest(piece) if compressed else Digest(diff_id)
        media_type = media_types.LAYER_GZIP if compressed else media_types.LAYER_TAR
        pieces[digest] = piece
        layers.append(Descriptor(media_type, digest, piece.size or 0))
    config_descriptor = Descriptor(media_types.IMAGE_CONFIG, digest_of(config), len(config))
    manifest = Manifest(config_descriptor, layers).to_bytes()
    descriptor = Descriptor(media_types.IMAGE_MANIFEST, digest_of(manifest), len(manifest))
    made = {descriptor.digest: manifest, config_descriptor.digest: config}
    return LocalBlobs(str(image), pieces, made), descriptor


def _members(path: Path) -> dict[str, _Piece]:
    """Where each file of an uncompressed tar lies; symlinks, which old docker archives have, lead to their targets."""
    found: dict[str, _Piece] = {}
    links: dict[str, str] = {}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isreg():
                found[name] = _Piece(path, member.offset_data, member.size)
            elif member.issym():
                links[name] = _joined(PurePosixPath(name).parent, member.linkname)
    found.update({name: found[target] for name, target in links.items() if target in found})
    return found


def _joined(folder: PurePosixPath, target: str) -> str:
    parts: list[str] = list(folder.parts)
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _digest(piece: _Piece) -> Digest:
    count = hashlib.sha256()
    for chunk in piece.chunks():
        count.update(chunk)
    return Digest("sha256:" + count.hexdigest())
