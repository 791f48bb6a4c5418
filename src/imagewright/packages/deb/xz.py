"""Unpacks xz, with the fastest decoder that is installed."""

from collections.abc import Callable
from lzma import FORMAT_XZ
from typing import Protocol


class Decompressor(Protocol):
    """One stream, as `lzma.LZMADecompressor` unpacks it."""

    @property
    def eof(self) -> bool:
        """Whether its end was reached."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something goes in."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came after its end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The next bytes, at most ``max_length`` of them."""
        ...


_decoder: Callable[..., Decompressor]
try:
    from lzma_mt import LZMADecompressor as _decoder  # the extra "xz"
except ImportError:
    from lzma import LZMADecompressor as _decoder


def xz_decompressor(memory: int) -> Decompressor:
    """A decoder that takes at most ``memory`` bytes; it raises `lzma.LZMAError`.

    Python's own is that of the system: liblzma 5.4 on Debian 12. lzma_mt brings 5.8, which takes a third less time.
    """
    return _decoder(format=FORMAT_XZ, memlimit=memory)
