"""Deflate without a library: stored blocks, and runs of zero bytes. Its output depends on this module alone."""

import re
from functools import lru_cache

RUN = 16
"""A run costs about nine bytes, so a shorter one is not worth it."""

_RUN = bytes(RUN)
_RUNS = re.compile(rb"(\0{16,})")
_LONGEST_RUN = 1 << 16
_LONGEST_BLOCK = 0xFFFF
END = b"\x03\x00"  # an empty last block
EMPTY = b"\x00\x00\xff\xff"  # what a stored block has left to say when it is empty


class StoredDeflater:
    """One deflate stream of what is nearly all tar headers: text, and long runs of zeros between.

    A header of 512 bytes becomes about 150, as a real compressor would make of it, but nothing has to be searched,
    and no compressor's version or processor decides the bytes.
    Source: RFC 1951, sections 3.2.4 (stored blocks) and 3.2.6 (fixed Huffman codes).
    """

    def __init__(self) -> None:
        self._block_is_open = False  # a stored block's three bits are out, its length is not

    def compress(self, data: bytes, /) -> bytes:
        """The next bytes of the stream, for the next bytes of the content."""
        parts: list[bytes] = []
        if _RUN not in data:  # ten times as fast as a pattern
            self._literal(data, parts)
            return b"".join(parts)
        is_open, is_run = self._block_is_open, False
        for piece in _RUNS.split(data):
            size = len(piece)
            if is_run:
                for length in (size,) if size <= _LONGEST_RUN else _cut(size):
                    parts.append(zeros_of(length, is_open))
                    is_open = True
            elif size > _LONGEST_BLOCK:
                self._block_is_open = is_open
                self._literal(piece, parts)
                is_open = False
            elif size:
                parts.append(length_of(size, is_open))
                parts.append(piece)
                is_open = False
            is_run = not is_run
        self._block_is_open = is_open
        return b"".join(parts)

    def flush(self) -> bytes:
        """The end of the stream."""
        return EMPTY + END if self._block_is_open else END

    def _literal(self, data: bytes, parts: list[bytes]) -> None:
        for start in range(0, len(data), _LONGEST_BLOCK):
            piece = data[start : start + _LONGEST_BLOCK]
            parts.append(length_of(len(piece), self._block_is_open))
            parts.append(piece)
            self._block_is_open = False


@lru_cache(maxsize=4096)
def length_of(size: int, is_open: bool) -> bytes:
    """The start of a stored block, or what its start has left to say when its first three bits are out."""
    return (b"" if is_open else b"\0") + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")


def _cut(run: int) -> list[int]:
    whole, rest = divmod(run, _LONGEST_RUN)
    return [_LONGEST_RUN] * whole + ([rest] if rest else [])


@lru_cache(maxsize=4096)
def zeros_of(run: int, is_open: bool) -> bytes:
    """A fixed-Huffman block of ``run`` zeros, and after it the first three bits of a stored block, filled to a byte.

    A stored block that ``is_open`` before it ends first, without content.
    """
    zero, end = "00110000", "0000000"
    matches, rest = divmod(run - 1, 258)
    bits = ["010", zero, (_length_code(258) + "00000") * matches]  # a match at distance 1 says the last byte again
    bits.append(_length_code(rest) + "00000" if rest >= 3 else zero * rest)
    bits += [end, "000"]
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    block = bytes(int(text[start : start + 8][::-1], 2) for start in range(0, len(text), 8))
    return EMPTY + block if is_open else block


def _length_code(length: int) -> str:
    """The fixed code of a match of 3 to 258 bytes, in the order in which its bits are written."""
    if length == 258:
        return _code(285)
    offset = length - 3
    extra = max(0, offset.bit_length() - 3)
    code = 257 + offset if extra == 0 else 257 + 4 * extra + (offset >> extra)
    return _code(code) + format(offset & ((1 << extra) - 1), f"0{extra}b")[::-1] * (extra > 0)


def _code(symbol: int) -> str:
    return format(symbol - 256, "07b") if symbol < 280 else format(0b11000000 + symbol - 280, "08b")
