"""Compressed content that goes into a layer as it is, and the proof that it is what it says."""

import hashlib
import zlib
from collections.abc import Iterator
from typing import Any, Final, Protocol

from imagewright.dataclass import dataclass

_ERRORS: tuple[type[Exception], ...] = (zlib.error,)
try:
    from isal import isal_zlib as _zlib  # two to three times as fast
    from isal.igzip_lib import IsalError

    _ERRORS = (zlib.error, IsalError)  # type: ignore[assignment]  # its stub says that it is an instance
except ImportError:  # a platform without its wheel: inflating gives the same bytes with any library
    import zlib as _zlib  # type: ignore[no-redef]

IN: Final = 1 << 17  # measured: 128 KiB in, 256 KiB out are the fastest with isal 1.9, and no wheel needs more memory
OUT: Final = 1 << 18

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


@dataclass(frozen=True, slots=True)
class Deflated:
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


def pieces(content: Deflated) -> Iterator[tuple[bytes, bytes]]:
    """The stream piece by piece, each with what it inflates to: at most `IN` and `OUT` bytes, either may be empty.

    By the end size, CRC and the stream's own end are proven; the proof is left to the caller, who may hash elsewhere.

    Raises:
        BrokenStream: One of them is a lie.
    """
    inflater = _zlib.decompressobj(-15)
    offset, left = content.offset, content.compressed_size
    size, crc = 0, 0
    try:
        while not inflater.eof:
            again = inflater.unconsumed_tail
            piece = b"" if again else content.source.read_at(offset, min(left, IN))
            offset += len(piece)
            left -= len(piece)
            # One byte more than is due, so that a stream that says too little is caught before it fills the memory.
            plain = inflater.decompress(again or piece, min(OUT, content.size - size + 1))
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


def whole(content: Deflated) -> bytes:
    """All of it, proven; for content that is small."""
    data = b"".join([plain for _, plain in pieces(content)])
    hasher = content.hasher()
    if hasher:
        hasher.update(data)
        content.check_proof(hasher)
    return data
