"""How the plain bytes of a layer are compressed: not at all, or fast."""

import zlib
from typing import Protocol

from imagewright.dataclass import dataclass
from imagewright.layer.stored import StoredDeflater

try:
    from isal import ISAL_VERSION, isal_zlib
except ImportError:  # a platform without its wheel
    ISAL_VERSION = ""


class Deflater(Protocol):
    """One raw deflate stream in the making, as `zlib.compressobj` is."""

    def compress(self, data: bytes, /) -> bytes:
        """The next bytes of the stream, for the next bytes of the content."""
        ...

    def flush(self) -> bytes:
        """The end of the stream."""
        ...


class Encoder(Protocol):
    """Makes deflate streams. ``id`` goes into the key of every layer that it has a part in: equal ids, equal bytes."""

    @property
    def id(self) -> str:
        """What decides the bytes: the compressor, its version, its level."""
        ...

    @property
    def is_slow(self) -> bool:
        """Whether it takes about as long as reading and hashing, so that it is worth a thread."""
        ...

    def start(self) -> Deflater:
        """A new stream."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """Only runs of zeros shrink. For layers whose content is spliced or small: no library decides their bytes."""

    id: str = "stored-1"
    is_slow: bool = False

    def start(self) -> Deflater:
        """A new stream."""
        return StoredDeflater()


@dataclass(frozen=True, slots=True)
class Fast:
    """Real compression, by isal at level 1 (270 MB/s on Debian's files, 39 % of them left; level 3: 146 MB/s, 38 %).

    Where isal is missing, zlib does it: other bytes under another id, for the same diff_id.
    """

    is_slow: bool = True
    id: str = f"isal-{ISAL_VERSION}-1" if ISAL_VERSION else f"zlib-{zlib.ZLIB_RUNTIME_VERSION}-1"

    def start(self) -> Deflater:
        """A new stream."""
        if ISAL_VERSION:
            return isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
        return zlib.compressobj(1, zlib.DEFLATED, -15)
