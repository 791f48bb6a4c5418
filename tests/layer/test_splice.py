"""Content that is not what it says is found out, whatever it lies in."""

import hashlib
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.layer.reading import Held, deflated

from imagewright.layer.splice import IN, OUT, BrokenStream, Deflated, pieces, whole


@given(data=st.binary(max_size=3000), before=st.integers(0, 50), level=st.integers(0, 9))
def test_what_is_true_comes_back(data: bytes, before: int, level: int) -> None:
    """Wherever it lies in the file, and however it was compressed."""
    content = deflated(data, level=level, before=before)

    assert whole(content) == data


@pytest.mark.parametrize("size", [0, 1, 1 << 17, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 5_000_000])
@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_pieces_are_bounded(size: int, kind: str) -> None:
    """No piece is larger than the bounds, also of content that shrinks a thousandfold."""
    data = bytes(size) if kind == "zeros" else hashlib.shake_256(b"noise").digest(size)
    content = deflated(data)

    found = list(pieces(content))

    assert b"".join(plain for _, plain in found) == data
    assert sum(len(piece) for piece, _ in found) == content.compressed_size
    assert all(len(piece) <= IN and len(plain) <= OUT for piece, plain in found)


@pytest.mark.parametrize("size", [10, 100_000, 1_000_000])
@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        (lambda content: content._replace(size=content.size - 1), "more than"),
        (lambda content: content._replace(size=content.size + 1), "declares"),
        (lambda content: content._replace(crc32=content.crc32 ^ 1), "CRC-32"),
        (lambda content: content._replace(compressed_size=content.compressed_size - 1), "ends early"),
        (lambda content: content._replace(compressed_size=content.compressed_size + 3), "after the end"),
        (lambda content: content._replace(proof=("sha256", bytes(32))), "sha256"),
        (lambda content: content._replace(source=Held(b"\xff" * 2_000_000)), "cannot be decompressed"),
    ],
)
def test_lies(size: int, lie: Callable[[Deflated], Deflated], rule: str) -> None:
    """Size, CRC, where the stream ends, and the recorded digest are all proven."""
    data = hashlib.shake_256(b"lie").digest(size // 2) + bytes(size - size // 2)
    content = deflated(data, after=100)

    with pytest.raises(BrokenStream, match=rule) as caught:
        whole(lie(content))

    assert caught.value.origin == content.origin


def test_a_bomb_is_stopped_at_the_size_that_it_declares() -> None:
    """A stream that holds a gigabyte and declares a kilobyte is refused."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(64)) + compressor.flush()
    content = Deflated(Held(stream), 0, len(stream), 1024, 0, "bomb")

    with pytest.raises(BrokenStream, match="more than the 1024"):
        list(pieces(content))
