"""The short way to a header between two spliced streams gives the bytes of the long one."""

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.layer.reading import deflated, listed, written

from imagewright.layer import tar
from imagewright.layer.encoder import Deflater, Stored
from imagewright.layer.packing import Packing
from imagewright.layer.stored import StoredDeflater
from imagewright.layer.usual import header_member
from imagewright.layer.writer import LayerWriter

NOISE = hashlib.shake_256(b"usual").digest(20_000)


@dataclass(frozen=True)
class TheLongWay:
    """The encoder `Stored` under another name, for which there is no short way."""

    id: str = "stored-1"
    is_slow: bool = False

    def start(self) -> Deflater:
        return StoredDeflater()


PARTS = st.text(st.characters(codec="ascii", exclude_characters="\0/"), min_size=1, max_size=100)


@given(
    owed=st.integers(0, 511),
    folder=st.just("") | st.text("abc", min_size=1, max_size=160),
    name=PARTS,
    mode=st.sampled_from([0o644, 0o755, 0o600, 0o7777]),
    size=st.integers(0, tar.MAX_SIZE),
)
@example(owed=0, folder="p" * 151, name="n" * 50, mode=0o644, size=1)
@example(owed=0, folder="p" * 152, name="n" * 50, mode=0o644, size=1)
@example(owed=0, folder="p" * 155, name="n" * 100, mode=0o644, size=1)
def test_header(owed: int, folder: str, name: str, mode: int, size: int) -> None:
    """Of every length of name and of the zeros before it. Where the zeros after a prefix are no run, it takes the long way."""
    path = f"{folder}/{name}" if folder else name
    made = header_member(owed, path.encode(), mode, size)

    header = bytes(owed) + tar.header(path, tar.FILE, mode=mode, size=size)
    stored: list[bytes] = []
    with Packing(Stored(), stored.append) as packing:
        packing.last(header)
    if len(path) > 100 and len(folder) > 151:
        assert made is None
    else:
        assert made == (header, b"".join(stored))


@pytest.mark.parametrize(
    ("name", "size"), [("n" * 101, 1), ("é", 1), ("x", tar.MAX_SIZE + 1)], ids=["long", "not ASCII", "large"]
)
def test_what_needs_more_than_a_plain_header(name: str, size: int) -> None:
    """It takes the long way."""
    assert header_member(0, name.encode(), 0o644, size) is None


FILES = st.lists(
    st.tuples(
        st.sampled_from(
            ["a", "b/c", "b/d", "b" * 99 + "/x", "l" * 120 + "/x", "l" * 120 + "/y", "n" * 100, "n" * 101, "é"]
        ),
        st.sampled_from([0, 1, 300, 4095, 4096, 4097, 9000, 20_000]),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda file: file[0],
)


@given(FILES)
def test_a_layer_is_the_same_either_way(files: list[tuple[str, int, bool]]) -> None:
    """Spliced files, small ones, plain ones, with directories and pax headers between them, in any order."""

    def write(layer: LayerWriter) -> None:
        for name, size, spliced in files:
            layer.file(name, deflated(NOISE[:size]) if spliced else NOISE[:size])

    short, long = written(write), written(write, TheLongWay())

    assert short == long
    assert [entry.size for entry in listed(short[0]) if entry.isreg()] == [size for _, size, _ in files]
