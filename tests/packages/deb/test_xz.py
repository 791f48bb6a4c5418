"""Both decoders of xz unpack the same, and refuse the same."""

import lzma
import random
import sys
from collections.abc import Iterator
from importlib import reload

import pytest

from imagewright.packages.deb import xz
from imagewright.packages.deb.xz import Decompressor

CONTENT = random.Random(1).randbytes(300_000) + bytes(3_000_000)
PACKED = lzma.compress(CONTENT, preset=6)


@pytest.fixture(params=["lzma_mt", "lzma"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """With lzma_mt, and without."""
    if request.param == "lzma_mt":
        pytest.importorskip("lzma_mt", reason="lzma-mt is not installed")
    else:
        monkeypatch.setitem(sys.modules, "lzma_mt", None)
    reload(xz)
    yield str(request.param)
    monkeypatch.undo()
    reload(xz)


def unpacked(made: Decompressor, packed: bytes, *, pieces: int, limit: int) -> bytes:
    """What comes out of ``packed``, given in pieces, with a limit for each call."""
    out: list[bytes] = []
    at = 0
    while not made.eof:
        piece = b""
        if made.needs_input:
            piece, at = packed[at : at + pieces], at + pieces
            assert piece, "it asks for more than there is"
        out.append(made.decompress(piece, limit))
        assert len(out[-1]) <= limit
    return b"".join(out)


@pytest.mark.parametrize(("pieces", "limit"), [(1 << 20, 1 << 20), (1000, 1 << 16), (1 << 20, 5000)])
def test_what_was_packed_comes_out(decoder: str, pieces: int, limit: int) -> None:
    """However it goes in and comes out, and what comes behind is kept."""
    made = xz.xz_decompressor(1 << 28)

    assert type(made).__module__.split(".")[0] == ("lzma_mt" if decoder == "lzma_mt" else "_lzma")
    assert unpacked(made, PACKED + b"more", pieces=pieces, limit=limit) == CONTENT
    assert made.unused_data == b"more"


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize(
    ("packed", "memory"),
    [
        (PACKED[:1000] + b"\0" * 100 + PACKED[1100:], 1 << 28),
        (PACKED[:-1] + b"\0", 1 << 28),
        (b"not xz at all", 1 << 28),
        (lzma.compress(b"x", format=lzma.FORMAT_ALONE), 1 << 28),
        (PACKED, 1 << 20),
    ],
    ids=["damaged", "wrong end", "no xz", "another format", "too much memory"],
)
def test_what_is_broken_is_refused(packed: bytes, memory: int) -> None:
    """With the error of the standard library, whoever decodes."""
    with pytest.raises(lzma.LZMAError):
        unpacked(xz.xz_decompressor(memory), packed, pieces=1 << 20, limit=1 << 20)
