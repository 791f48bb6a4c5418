"""The header of a file between two spliced streams, tar and gzip member at once: what a layer of wheels mostly has to make."""

from functools import lru_cache
from typing import Final

from imagewright.layer import tar
from imagewright.layer.packing import MEMBER, trailer
from imagewright.layer.splice import crc32
from imagewright.layer.stored import EMPTY, END, RUN, length_of, zeros_of

_NUMBERS = b"%07o\x000000000\x000000000\x00%011o\x0000000000000\x00"
_LINK, _REST = 100, 247  # zeros: the name of a link, and all that comes after the magic
_MAGIC = b"ustar\x0000"
_FIXED: Final = 48 + 8 + 1  # numbers, checksum, kind


def header_member(owed: int, name: bytes, mode: int, size: int) -> tuple[bytes, bytes] | None:
    """``owed`` zeros of the entry before, and the header of a regular file; then the same as a gzip member.

    Byte for byte what `tar.header` makes for owner 0, group 0 and time 0, and `Packing` of it with the encoder `Stored`, in a third
    of the time: of ten pieces eight are known before. None for a name or size that needs more than a plain header.
    """
    length = len(name)
    if length > 100 or size > tar.MAX_SIZE or not name.isascii():
        return None
    numbers = _NUMBERS % (mode, size)
    kind = b"%06o\x00 0" % (sum(name) + sum(numbers) + _SUM)
    gap = 100 - length
    plain = b"".join((bytes(owed), name, bytes(gap), numbers, kind, _END_OF_HEADER))
    if owed >= RUN:
        begin, literal = zeros_of(owed, False), name
    else:
        begin, literal = b"", bytes(owed) + name
    if gap >= RUN:
        between = _between(gap)
    else:
        literal, between = b"".join((literal, bytes(gap), numbers, kind)), b""
        numbers = kind = b""
    member = (
        MEMBER, begin, length_of(len(literal), bool(begin)), literal, between, numbers, kind, _END_OF_MEMBER,
        trailer(crc32(plain), len(plain)),
    )  # fmt: skip
    return plain, b"".join(member)


@lru_cache(maxsize=128)
def _between(gap: int) -> bytes:
    """The zeros after a name, and the start of what follows them."""
    return zeros_of(gap, False) + length_of(_FIXED, True)


_SUM = sum(b"0") + sum(_MAGIC) + 8 * 32  # of the kind and the magic, and the checksum's own bytes as spaces
_END_OF_HEADER = bytes(_LINK) + _MAGIC + bytes(_REST)
_END_OF_MEMBER = zeros_of(_LINK, False) + length_of(len(_MAGIC), True) + _MAGIC + zeros_of(_REST, False) + EMPTY + END
