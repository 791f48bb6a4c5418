"""The gzip members of a layer: plain bytes that are compressed, between streams that are compressed already."""

from collections.abc import Callable
from types import TracebackType
from typing import Final

from imagewright.layer.encoder import Deflater, Encoder
from imagewright.layer.splice import crc32
from imagewright.parallel import InOrder

PIECE: Final = 1 << 18

MEMBER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""How a member begins: gzip, deflate, no flags, no time, unknown system (RFC 1952)."""


class Packing:
    """Makes the members, and gives their bytes to ``store`` in their order; inside a ``with``.

    An encoder that really compresses takes as long as all the rest: it gets a thread of its own, unless there is little
    to do. The bytes are the same.
    """

    def __init__(self, encoder: Encoder, store: Callable[[bytes], None]) -> None:
        self._encoder, self._out = encoder, store
        self._beside: InOrder[bytes] = InOrder()
        self._deflater: Deflater | None = None
        self._crc = 0
        self._size = 0
        self._stored: list[bytes] = []
        self._stored_size = 0

    def __enter__(self) -> "Packing":
        self._beside.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._beside.__exit__(kind, error, traceback)
        if kind is None:
            self._hand_on()

    @property
    def is_open(self) -> bool:
        """Whether a member is open, or others may be made beside: then nothing may be stored but by these methods."""
        return self._deflater is not None or self._beside.begun

    def plain(self, data: bytes) -> None:
        """The next bytes of the member that is open. The layer's bytes depend on where they are cut: into `PIECE` each."""
        self._do(self._deflate, data)

    def end(self) -> None:
        """End the member, if one is open."""
        self._do(self._end, b"")

    def last(self, data: bytes) -> None:
        """As `plain`, and `end` after it."""
        if self._deflater is None and not self._beside.begun and len(data) < PIECE:
            deflater = self._encoder.start()  # the usual between spliced files, tens of thousands of times
            self._store(MEMBER + deflater.compress(data) + deflater.flush() + trailer(crc32(data), len(data)))
            return
        self.plain(data)
        self.end()

    def stream(self, data: bytes) -> None:
        """The next stored bytes, between two members."""
        self._do(self._store, data)

    def settle(self) -> None:
        """Hand on all that there is: what is stored next may then come from elsewhere."""
        self._beside.settle()
        self._hand_on()

    def _do(self, call: Callable[[bytes], None], data: bytes) -> None:
        if self._beside.begun or (len(data) == PIECE and self._encoder.is_slow):
            self._beside.hand_on(call, data)
        else:
            call(data)

    def _deflate(self, data: bytes) -> None:
        if self._deflater is None:
            self._deflater = self._encoder.start()
            self._store(MEMBER)
        self._crc = crc32(data, self._crc)
        self._size += len(data)
        self._store(self._deflater.compress(data))

    def _end(self, _: bytes) -> None:
        if self._deflater is not None:
            self._store(self._deflater.flush() + trailer(self._crc, self._size))
        self._deflater, self._crc, self._size = None, 0, 0

    def _store(self, data: bytes) -> None:
        self._stored.append(data)
        self._stored_size += len(data)
        if self._stored_size >= PIECE:
            self._hand_on()

    def _hand_on(self) -> None:
        self._out(b"".join(self._stored))
        self._stored, self._stored_size = [], 0


def trailer(crc: int, size: int) -> bytes:
    """How a member ends."""
    return crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
