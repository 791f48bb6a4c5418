"""The tar reader against the standard library's, and what it refuses."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sandbox.layers import Member, folder, hardlink, member, symlink, tar_of

from imagewright.sandbox.tar import BadTar, TarReader, TarSource

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=120)
members = st.one_of(
    st.builds(lambda name, content: member(name, content, mtime=7, owner=3_000_000), names, st.binary(max_size=2000)),
    st.builds(folder, names),
    st.builds(symlink, names, names),
    st.builds(hardlink, names, names),
)


def read(tar: bytes, piece: int = 700) -> list[tuple[str, bytes, int, int, int, str, bytes]]:
    pieces = (tar[start : start + piece] for start in range(0, len(tar), piece))
    reader = TarReader(TarSource(pieces))
    return [
        (
            e.name.decode().rstrip("/"),
            e.kind,
            e.mode,
            e.uid,
            e.mtime,
            e.target.decode(),
            b"".join(map(bytes, reader.content())),
        )
        for e in reader
    ]


def content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info) if info.isreg() else None
    return file.read() if file else b""


@settings(max_examples=60)
@given(st.lists(members, max_size=8), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_entries_are_those_of_the_standard_library(members: list[Member], form: int) -> None:
    """Whatever tarfile writes, in both formats in use, is read as tarfile reads it."""
    tar = tar_of(members, form=form)

    entries = read(tar)

    with tarfile.open(fileobj=io.BytesIO(tar)) as oracle:
        expected = [
            (i.name.rstrip("/"), i.type, i.mode, i.uid, i.mtime, i.linkname, content(oracle, i)) for i in oracle
        ]
    assert entries == expected


def test_large_files_come_in_pieces() -> None:
    """Content larger than the buffer is given in several pieces, and the padding after it is passed over."""
    content = bytes(range(256)) * 16001
    reader = TarReader(TarSource([tar_of([member("a", content), member("b", b"x")])]))

    pieces = [[bytes(piece) for piece in reader.content()] for _ in reader]

    assert b"".join(pieces[0]) == content
    assert len(pieces[0]) > 3
    assert pieces[1] == [b"x"]


def test_the_diff_id_covers_what_follows_the_end() -> None:
    """Bytes after the end mark belong to the layer's tar."""
    tar = tar_of([member("a", b"x")])
    plain, longer = TarSource([tar]), TarSource([tar, b"more"])

    for source in (plain, longer):
        list(TarReader(source))

    assert plain.diff_id != longer.diff_id


def _changed(tar: bytes, offset: int, value: bytes) -> bytes:
    block = bytearray(tar)
    block[offset : offset + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


PLAIN = tar_of([member("a", b"x" * 600)])


@pytest.mark.parametrize(
    ("tar", "reason"),
    [
        (PLAIN[:700], "middle of a file"),
        (PLAIN[:100], "middle of a header"),
        (_changed(PLAIN, 0, b"b")[:148] + PLAIN[148:], "checksum"),
        (b"Not a tar at all" * 40, "octal"),
        (_changed(PLAIN, 156, b"S"), "type b'S'"),
        (_changed(PLAIN, 124, b"zzzzzzzzzzz\0"), "octal"),
        (_changed(PLAIN, 124, b"\xff" * 12), "negative"),
        (_changed(PLAIN, 156, b"x"), "record without a length"),
        (_changed(_changed(PLAIN, 156, b"x"), 124, b"77777777777\0"), "extended header of"),
    ],
)
def test_what_is_no_tar_is_refused(tar: bytes, reason: str) -> None:
    """Broken, cut and unknown things are errors, never guesses."""
    with pytest.raises(BadTar, match=reason):
        read(tar)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"GNU.sparse.major": "1"}, "sparse"),
        ({"path": "a\0b"}, "NUL"),
        ({"size": "-5"}, "for a number"),
    ],
)
def test_pax_headers_that_mislead_are_refused(headers: dict[str, str], reason: str) -> None:
    """A pax header cannot say what the entry then is not."""
    info, content = member("a", b"x")
    info.pax_headers = headers

    with pytest.raises(BadTar, match=reason):
        read(tar_of([(info, content)]))
