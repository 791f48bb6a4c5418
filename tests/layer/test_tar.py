"""Tar headers are what Python's tarfile and GNU tar read, whatever the path, the owner and the size."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagewright.errors import BuildError
from imagewright.layer import tar

_PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120).filter(
    lambda part: part not in (".", "..")
)
PATHS = st.lists(_PART, min_size=1, max_size=6).map("/".join)


def _read(data: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(data + tar.END)) as archive:
        entry = archive.next()
    assert entry is not None
    return entry


@given(
    path=PATHS,
    kind=st.sampled_from([tar.FILE, tar.DIRECTORY, tar.SYMLINK, tar.HARDLINK]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 1 << 32),
    gid=st.integers(0, 1 << 32),
    mtime=st.integers(0, 1 << 32),
    link=PATHS,
)
def test_tarfile_reads_what_was_written(
    path: str, kind: bytes, mode: int, uid: int, gid: int, mtime: int, link: str
) -> None:
    """Every field comes back, also those that ustar has no room for."""
    link = link if kind in (tar.SYMLINK, tar.HARDLINK) else ""

    entry = _read(tar.header(path, kind, mode=mode, uid=uid, gid=gid, mtime=mtime, link=link))

    assert (entry.name, entry.type, entry.mode, entry.uid, entry.gid, entry.mtime, entry.linkname) == (
        path,
        kind,
        mode,
        uid,
        gid,
        mtime,
        link,
    )
    assert (entry.uname, entry.gname) == ("", "")


@pytest.mark.parametrize("size", [0, 1, 8 * 2**30 - 1, 8 * 2**30, 2**40])
def test_size(size: int) -> None:
    """Files of 8 GiB and more get a pax header for their size."""
    block = tar.header("big", tar.FILE, mode=0o644, size=size)

    assert tarfile.TarInfo.frombuf(block[-512:], "utf-8", "strict").size == (size if size < 8 * 2**30 else 0)
    assert (b"size=%d\n" % size in block) == (size >= 8 * 2**30)


def test_plain_ustar_wherever_it_is_enough() -> None:
    """A path of up to 256 bytes that has a slash in the right place needs one block only."""
    path = "/".join(["directory" * 8] * 3)

    assert len(tar.header(path, tar.FILE, mode=0o644)) == tar.BLOCK


@pytest.mark.parametrize("path", ["", "/", "a//b", "../a", "a/..", "./a", "a/./b", "a/", "//a", "a\0b"])
def test_paths_that_leave_the_root_are_refused(path: str) -> None:
    """Only plain paths go into a layer: whoever extracts it may be less careful."""
    with pytest.raises(BuildError) as refused:
        tar.checked_path(path)

    assert refused.value.code == "IW302"
