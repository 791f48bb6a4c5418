"""Compressed content that goes into a layer as it is, and the proof that it is what it says."""

import hashlib
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Protocol

_ERRORS: tuple[type[Exception], ...] = (zlib.error,)
try:
    from isal import igzip_lib
    from isal import isal_zlib as _zlib  # two to three times as fast
    from isal.igzip_lib import IsalError

    _ERRORS = (zlib.error, IsalError)  # type: ignore[assignment]  # its stub says that it is an instance
except ImportError:  # a platform without its wheel: inflating gives the same bytes with any library
    import zlib as _zlib  # type: ignore[no-redef]

    igzip_lib = None  # type: ignore[assignment]

IN: Final = (
    1 << 19
)  # measured: half a MiB in, one out are the fastest with isal 1.9 and three threads, and no wheel needs more memory
OUT: Final = 1 << 20

AT_ONCE: Final = 1 << 18
"""Content of at most so many bytes, compressed and not, is read and inflated in one go: most files of a wheel are small."""

crc32 = _zlib.crc32


class Source(Protocol):
    """A file that content lies in."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset`` on."""
        ...


class BrokenStream(Exception):
    """Content is not what it says. ``origin`` names it, ``rule`` says in what it lies."""

    def __init__(self, origin: str, rule: str) -> None:
        super().__init__(f"{origin}: {rule}")
        self.origin = origin
        self.rule = rule


class Deflated(NamedTuple):
    """Content that lies in a file as a raw deflate stream, and what somebody says of it.

    Sizes are in bytes. ``origin`` names the content in errors. ``proof`` is a hashlib algorithm and the digest of the
    content, where one is known. Whoever reads it proves it all: `BrokenStream` otherwise.
    """

    source: Source
    offset: int
    compressed_size: int
    size: int
    crc32: int
    origin: str
    proof: tuple[str, bytes] | None = None

    def hasher(self) -> Any:
        """A new hash for the proof; the content goes into it, then `check_proof` takes it."""
        if self.proof is None:
            return None
        return hashlib.sha256() if self.proof[0] == "sha256" else hashlib.new(self.proof[0])

    def check_proof(self, hasher: Any) -> None:
        """Raise BrokenStream unless the hash is the proof's."""
        if self.proof and hasher.digest() != self.proof[1]:
            raise BrokenStream(self.origin, f"its {self.proof[0]} is not the one that is recorded")


class _Inflater:
    """What isal's own decompressor is, of a library that has none: it keeps the input that it has not used."""

    def __init__(self) -> None:
        self._inflater = _zlib.decompressobj(-15)

    def decompress(self, data: bytes, most: int, /) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, most)

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data


def pieces(content: Deflated) -> Iterator[tuple[bytes, bytes]]:
    """The stream piece by piece, each with what it inflates to: at most `IN` and `OUT` bytes, either may be empty.

    By the end size, CRC and the stream's own end are proven; the proof is left to the caller, who may hash elsewhere.

    Raises:
        BrokenStream: One of them is a lie.
    """
    inflater: Any = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE) if igzip_lib else _Inflater()
    offset, left = content.offset, content.compressed_size
    size, crc = 0, 0
    try:
        while not inflater.eof:
            again = not inflater.needs_input
            piece = b"" if again else content.source.read_at(offset, min(left, IN))
            offset += len(piece)
            left -= len(piece)
            # One byte more than is due, so that a stream that says too little is caught before it fills the memory.
            plain = inflater.decompress(piece, min(OUT, content.size - size + 1))
            size += len(plain)
            if size > content.size:
                raise BrokenStream(content.origin, f"it holds more than the {content.size} bytes that it declares")
            if not plain and not piece and not again and not inflater.eof:
                raise BrokenStream(content.origin, "its compressed stream ends early")
            crc = crc32(plain, crc)
            yield piece, plain
    except _ERRORS as error:
        raise BrokenStream(content.origin, f"it cannot be decompressed ({error})") from error
    if left or inflater.unused_data:
        raise BrokenStream(content.origin, "there are bytes after the end of its compressed stream")
    if size != content.size:
        raise BrokenStream(content.origin, f"it holds {size} bytes and declares {content.size}")
    if crc != content.crc32:
        raise BrokenStream(content.origin, "its CRC-32 is not the declared one")


def fits_at_once(content: Deflated) -> bool:
    """Whether `at_once` takes it."""
    return content.size <= AT_ONCE and content.compressed_size <= AT_ONCE


def at_once(content: Deflated) -> tuple[bytes, bytes]:
    """The stream and what it inflates to, as `pieces` gives them, of content that fits.

    Raises:
        BrokenStream: As `pieces` does.
    """
    piece = content.source.read_at(content.offset, content.compressed_size)
    inflater = _zlib.decompressobj(-15)
    try:
        plain = inflater.decompress(piece, content.size + 1)
    except _ERRORS:
        plain = b""
    if (
        len(plain) != content.size
        or not inflater.eof
        or inflater.unused_data
        or inflater.unconsumed_tail
        or crc32(plain) != content.crc32
    ):
        plain = b"".join([plain for _, plain in pieces(content)])  # says what is wrong
    return piece, plain


def whole(content: Deflated) -> bytes:
    """All of it, proven; for content that is small."""
    data = at_once(content)[1] if fits_at_once(content) else b"".join([plain for _, plain in pieces(content)])
    hasher = content.hasher()
    if hasher:
        hasher.update(data)
        content.check_proof(hasher)
    return data
