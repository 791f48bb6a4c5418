"""The entries of a stored layer, for whoever must look inside."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from imagewright.errors import IntegrityError
from imagewright.oci.media_types import DOCKER_LAYER_GZIP, LAYER_GZIP, LAYER_TAR

_GZIP_ERRORS: tuple[type[Exception], ...] = (zlib.error, gzip.BadGzipFile, EOFError)
try:
    from isal import igzip, igzip_lib  # twice as fast

    _GZIP_ERRORS += (igzip_lib.IsalError,)  # type: ignore[operator]  # its stub says that it is an instance
    _gzip_file: type[gzip.GzipFile] = igzip.IGzipFile
except ImportError:  # a platform without its wheel
    _gzip_file = gzip.GzipFile

_PIECE = 1 << 18


@contextmanager
def entries(chunks: Iterable[bytes], media_type: str) -> Iterator[tarfile.TarFile]:
    """The layer's tar as a stream: iterate over it once, in order; ``extractfile`` reads the entry at hand.

    Nothing is extracted, and memory does not grow with the layer's size.

    Raises:
        IntegrityError: It is no tar, no gzip, or of a media type that cannot be read.
    """
    try:
        with tarfile.open(fileobj=_Pieces(uncompressed(chunks, media_type)), mode="r|", bufsize=_PIECE) as tar:
            yield tar
    except tarfile.TarError as error:
        raise IntegrityError("a layer cannot be read: it is not a tar", why=str(error)) from error


def uncompressed(chunks: Iterable[bytes], media_type: str) -> Iterator[bytes]:
    """The bytes of the layer's tar, in pieces of at most 256 KiB.

    Raises:
        IntegrityError: They are not what the media type says, or the media type cannot be read.
    """
    stored = io.BufferedReader(_Pieces(iter(chunks)), _PIECE)
    if media_type in (LAYER_GZIP, DOCKER_LAYER_GZIP):
        return _gunzip(stored)
    if media_type == LAYER_TAR:
        return iter(lambda: stored.read(_PIECE), b"")
    raise IntegrityError(f"a layer of media type {media_type} cannot be read here")


def _gunzip(stored: IO[bytes]) -> Iterator[bytes]:
    """Every gzip member in turn: layers that were spliced have thousands."""
    try:
        with _gzip_file(fileobj=stored, mode="rb") as plain:
            while piece := plain.read(_PIECE):
                yield piece
    except _GZIP_ERRORS as error:
        raise IntegrityError("a layer cannot be read: it is not gzip", why=str(error)) from error


class _Pieces(io.RawIOBase):
    """Chunks of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
