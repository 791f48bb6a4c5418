"""A layer that a test writes, and what others read out of it."""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable

from imagewright.layer.encoder import Encoder
from imagewright.layer.splice import Deflated
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID


def written(write: Callable[[LayerWriter], None], encoder: Encoder | None = None) -> tuple[bytes, DiffID]:
    """The stored bytes and the diff_id of what ``write`` writes."""
    out = io.BytesIO()
    with LayerWriter(out, encoder=encoder) as layer:
        write(layer)
    return out.getvalue(), layer.diff_id


def listed(stored: bytes) -> list[tarfile.TarInfo]:
    """The entries, as Python's gzip and tarfile read them."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(stored))) as tar:
        return tar.getmembers()


def contents(stored: bytes) -> dict[str, bytes]:
    """The regular files' contents, as Python's gzip and tarfile read them."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(stored))) as tar:
        for entry in tar:
            if entry.isreg():
                file = tar.extractfile(entry)
                assert file is not None
                found[entry.name] = file.read()
    return found


class Held:
    """A source in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_at(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]


def deflated(data: bytes, *, level: int = 6, before: int = 0, after: int = 0) -> Deflated:
    """``data`` as a true deflate stream somewhere in a source."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15)
    stream = compressor.compress(data) + compressor.flush()
    source = Held(b"<" * before + stream + b">" * after)
    proof = ("sha256", hashlib.sha256(data).digest())
    return Deflated(source, before, len(stream), len(data), zlib.crc32(data), "some.whl: file", proof)
