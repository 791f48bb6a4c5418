"""Small images, made in memory, for tests of stores and of whatever reads images."""

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence

from imagewright.dataclass import dataclass
from imagewright.oci import media_types
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, digest_of
from imagewright.oci.image import Image, assemble
from imagewright.oci.platform import Platform
from imagewright.store.protocol import BlobStore


@dataclass(frozen=True, slots=True)
class MadeImage:
    """An image with the bytes of its layers."""

    image: Image
    blobs: Mapping[Descriptor, bytes]

    def push_to(self, store: BlobStore) -> Descriptor:
        """Put all of it into a store; the manifest's descriptor comes back."""
        for descriptor, data in self.blobs.items():
            store.push(descriptor, [data])
        return self.image.descriptor


def make_image(*layers: Mapping[str, bytes], config: ImageConfig | None = None) -> MadeImage:
    """An image whose layers hold these files, each layer a gzip of two members as the layer writer's are."""
    stored = [make_layer(files) for files in layers or ({"hello": b"hello\n"},)]
    image = assemble(
        config or ImageConfig(Platform("linux", "amd64")),
        [layer for layer, _ in stored],
        [HistoryEntry(f"layer {number}") for number, _ in enumerate(stored)],
    )
    blobs = {layer.descriptor: data for layer, data in stored}
    return MadeImage(image, {**blobs, image.config_descriptor: image.config, image.descriptor: image.manifest})


def make_layer(files: Mapping[str, bytes], *, executable: Sequence[str] = ()) -> tuple[Layer, bytes]:
    """A layer of these files, and its stored bytes. The path is without a leading slash."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as out:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o755 if path in executable or data[:4] == b"\x7fELF" else 0o644
            out.addfile(member, io.BytesIO(data))
    plain = tar.getvalue()
    half = len(plain) // 2
    data = gzip.compress(plain[:half], 1, mtime=0) + gzip.compress(plain[half:], 1, mtime=0)
    return Layer(Descriptor(media_types.LAYER_GZIP, digest_of(data), len(data)), DiffID(digest_of(plain))), data
