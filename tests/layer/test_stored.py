"""What our own deflate encoder makes is what every inflater reads."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagewright.layer.stored import StoredDeflater

_CONTENT = st.lists(st.binary(max_size=40) | st.integers(0, 600).map(bytes), max_size=12).map(b"".join)


def _deflated(*pieces: bytes) -> bytes:
    deflater = StoredDeflater()
    return b"".join(map(deflater.compress, pieces)) + deflater.flush()


def _inflated(stream: bytes) -> bytes:
    inflater = zlib.decompressobj(-15)
    data = inflater.decompress(stream)
    assert inflater.eof
    assert not inflater.unused_data
    return data


@given(st.lists(_CONTENT, max_size=5))
def test_zlib_reads_it(pieces: list[bytes]) -> None:
    """Any mixture of text and zeros, in any pieces, comes back."""
    assert _inflated(_deflated(*pieces)) == b"".join(pieces)


@pytest.mark.parametrize("start", range(0, 800, 200))
def test_every_run(start: int) -> None:
    """Runs of every length, at the start, at the end and between."""
    for run in range(start, start + 200):
        for content in (bytes(run), b"x" + bytes(run), bytes(run) + b"y", b"ab" + bytes(run) + b"cd"):
            assert _inflated(_deflated(content)) == content


@pytest.mark.parametrize("size", [65534, 65535, 65536, 65537, 65536 * 2, 1 << 20])
def test_long_blocks_and_long_runs(size: int) -> None:
    """What is longer than one deflate block may be is cut."""
    for content in (b"x" * size, bytes(size), bytes(size) + b"x" * size + bytes(size)):
        assert _inflated(_deflated(content)) == content


def test_zeros_shrink() -> None:
    """A megabyte of zeros becomes less than a hundredth of it: headers and padding cost little."""
    assert len(_deflated(bytes(1 << 20))) < (1 << 20) / 100
