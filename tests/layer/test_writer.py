"""A layer is a tar in gzip members that everybody reads, and its bytes are a function of the calls."""

import gzip
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.layer.reading import Held, contents, deflated, listed, written

from imagewright.errors import BuildError
from imagewright.layer.encoder import Encoder, Fast, Stored
from imagewright.layer.splice import BrokenStream, Deflated
from imagewright.layer.writer import LayerWriter

NOISE = hashlib.shake_256(b"noise").digest(700_000)
_ZEROS = b"c`\x18\x05\xa3`\x14\x0cw\x00\x00"  # a thousand of them, as zlib 1.3 deflates them
ENCODERS = pytest.mark.parametrize("encoder", [Stored(), Fast()], ids=lambda encoder: type(encoder).__name__)


def _sample(layer: LayerWriter) -> None:
    layer.directory("etc", 0o750, uid=1, gid=2, mtime=3)
    layer.file("/etc/motd", b"hello\n", 0o600, mtime=1_700_000_000)
    layer.file("usr/lib/big.so", deflated(NOISE + bytes(500_000)), 0o755)
    layer.file("usr/lib/small.py", deflated(b"print('x')\n" * 40))
    layer.file("usr/lib/tiny.py", deflated(b"x"))
    layer.file("usr/lib/empty", b"")
    layer.file("usr/lib/empty2", deflated(b""))
    layer.file("usr/lib/chunks", iter([b"a" * 300_000, b"", b"b"]), size=300_001)
    layer.symlink("usr/lib/link", "../lib/tiny.py")
    layer.hardlink("usr/lib/hard", "usr/lib/tiny.py")


@ENCODERS
def test_python_reads_it(encoder: Encoder) -> None:
    """Paths, kinds, modes, owners, times and contents come back, parents before what is in them and once."""
    stored, _ = written(_sample, encoder)

    assert [(entry.name, entry.type, entry.mode) for entry in listed(stored)] == [
        ("etc", tarfile.DIRTYPE, 0o750),
        ("etc/motd", tarfile.REGTYPE, 0o600),
        ("usr", tarfile.DIRTYPE, 0o755),
        ("usr/lib", tarfile.DIRTYPE, 0o755),
        ("usr/lib/big.so", tarfile.REGTYPE, 0o755),
        ("usr/lib/small.py", tarfile.REGTYPE, 0o644),
        ("usr/lib/tiny.py", tarfile.REGTYPE, 0o644),
        ("usr/lib/empty", tarfile.REGTYPE, 0o644),
        ("usr/lib/empty2", tarfile.REGTYPE, 0o644),
        ("usr/lib/chunks", tarfile.REGTYPE, 0o644),
        ("usr/lib/link", tarfile.SYMTYPE, 0o777),
        ("usr/lib/hard", tarfile.LNKTYPE, 0o644),
    ]
    assert contents(stored) == {
        "etc/motd": b"hello\n",
        "usr/lib/big.so": NOISE + bytes(500_000),
        "usr/lib/small.py": b"print('x')\n" * 40,
        "usr/lib/tiny.py": b"x",
        "usr/lib/empty": b"",
        "usr/lib/empty2": b"",
        "usr/lib/chunks": b"a" * 300_000 + b"b",
    }
    directory = listed(stored)[0]
    assert (directory.uid, directory.gid, directory.mtime) == (1, 2, 3)


@ENCODERS
def test_diff_id(encoder: Encoder) -> None:
    """The diff_id is the sha256 of the tar, and the encoder does not matter to it."""
    stored, diff_id = written(_sample, encoder)

    assert diff_id == "sha256:" + hashlib.sha256(gzip.decompress(stored)).hexdigest()
    assert diff_id == written(_sample, Stored())[1]


@pytest.mark.skipif(not (shutil.which("tar") and shutil.which("gzip")), reason="needs GNU tar and gzip")
@ENCODERS
def test_gnu_tar_and_gzip_read_it(encoder: Encoder, tmp_path: Path) -> None:
    """GNU gzip finds nothing to complain about, and GNU tar extracts what was written."""
    stored, _ = written(_sample, encoder)
    file = tmp_path / "layer.tar.gz"
    file.write_bytes(stored)
    root = tmp_path / "root"
    root.mkdir()

    tested = subprocess.run(["gzip", "--test", "--verbose", file], capture_output=True, text=True, timeout=60)
    command = ["tar", "--extract", "--gzip", "--no-same-owner", "--same-permissions", "-f", str(file), "-C", str(root)]
    extracted = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (tested.returncode, extracted.returncode, extracted.stderr) == (0, 0, "")
    assert (root / "usr/lib/big.so").read_bytes() == NOISE + bytes(500_000)
    assert (root / "usr/lib/big.so").stat().st_mode & 0o7777 == 0o755
    assert (root / "usr/lib/link").read_bytes() == b"x"
    assert (root / "usr/lib/hard").stat().st_ino == (root / "usr/lib/tiny.py").stat().st_ino


@given(sizes=st.lists(st.integers(1, 200_000), max_size=6))
@settings(max_examples=25)
def test_the_way_content_is_cut_into_chunks_does_not_matter(sizes: list[int]) -> None:
    """The stored bytes depend on the content alone."""

    def chunks() -> Iterator[bytes]:
        start = 0
        for size in sizes:
            yield NOISE[start : start + size]
            start += size
        yield NOISE[start:]

    cut, _ = written(lambda layer: layer.file("noise", chunks(), size=len(NOISE)))
    whole, _ = written(lambda layer: layer.file("noise", NOISE))

    assert cut == whole


def test_spliced_streams_are_not_compressed_again() -> None:
    """The wheel's own compressed bytes lie in the layer as they were."""
    content = deflated(NOISE + b"text" * 10_000, level=9)
    stream = content.source.read_at(content.offset, content.compressed_size)

    stored, _ = written(lambda layer: layer.file("big", content))

    assert stream in stored


@pytest.mark.parametrize("data", [NOISE, NOISE[:100_000], b"text\n" * 300], ids=["large", "middle", "small"])
@pytest.mark.parametrize("field", ["crc32", "proof", "size"])
def test_a_lie_fails_the_layer(data: bytes, field: str) -> None:
    """What a spliced stream says of itself is proven before a diff_id is given, also when another thread hashes it."""
    true = deflated(data)
    lies = {"crc32": true.crc32 ^ 1, "proof": ("sha256", bytes(32)), "size": true.size + 1}

    with pytest.raises(BrokenStream, match=r"some\.whl: file"):
        written(lambda layer: layer.file("x", true._replace(**{field: lies[field]})))  # type: ignore[arg-type]


def test_a_source_may_be_closed_when_it_is_settled() -> None:
    """Large content is read later, until `settle` says that it has been; a lie shows there at the latest."""

    class Closing(Held):
        closed = False

        def read_at(self, offset: int, size: int) -> bytes:
            assert not self.closed
            return super().read_at(offset, size)

    true = deflated(NOISE)
    source = Closing(true.source.read_at(0, true.compressed_size))

    def write(layer: LayerWriter) -> None:
        layer.file("a", true._replace(source=source))
        layer.settle()
        source.closed = True
        layer.file("b", b"more")

    def lie(layer: LayerWriter) -> None:
        layer.file("a", true._replace(crc32=true.crc32 ^ 1))
        with pytest.raises(BrokenStream):
            layer.settle()
        raise KeyError("mine")

    assert contents(written(write)[0]) == {"a": NOISE, "b": b"more"}
    with pytest.raises(KeyError, match="mine"):
        written(lie)


def _twice(layer: LayerWriter) -> None:
    layer.file("a/b", b"")
    layer.file("/a/b", b"")


def _below_a_file(layer: LayerWriter) -> None:
    layer.file("a", b"")
    layer.file("a/b", b"")


def _file_over_directory(layer: LayerWriter) -> None:
    layer.file("a/b", b"")
    layer.file("a", b"")


def _directory_changes(layer: LayerWriter) -> None:
    layer.file("a/b", b"")
    layer.directory("a", 0o700)


def _dangling_hardlink(layer: LayerWriter) -> None:
    layer.hardlink("a", "b")


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (_twice, "comes twice"),
        (_below_a_file, "lies below 'a'"),
        (_file_over_directory, "comes twice"),
        (_directory_changes, "other attributes"),
        (_dangling_hardlink, "does not come before"),
        (lambda layer: layer.file("x", iter([b"abc"]), size=2), "has more"),
        (lambda layer: layer.file("x", iter([b"abc"]), size=4), "has 3"),
        (lambda layer: layer.file("../x", b""), "cannot hold"),
    ],
)
def test_what_no_layer_may_hold(write: Callable[[LayerWriter], None], rule: str) -> None:
    """Docker and podman refuse a path that comes twice, so it is an error here already."""
    with pytest.raises(BuildError, match=rule) as refused:
        written(write)

    assert refused.value.code == "IW302"


def test_a_directory_may_be_named_again() -> None:
    """The same directory with the same attributes is one entry."""

    def write(layer: LayerWriter) -> None:
        layer.directory("a")
        layer.file("a/b", b"")
        layer.directory("/a")

    assert [entry.name for entry in listed(written(write)[0])] == ["a", "a/b"]


def test_an_error_of_the_caller_passes_through() -> None:
    """Leaving the ``with`` by an error ends the thread and raises that error."""

    def write(layer: LayerWriter) -> None:
        layer.file("x", NOISE)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        written(write)


def test_large_content_is_compressed_beside() -> None:
    """The bytes are those of one compressor that gets equal pieces, whatever thread it runs on."""
    content = (NOISE + bytes(500_000)) * 4

    stored, _ = written(
        lambda layer: layer.file("x", iter([content[:1_000_001], content[1_000_001:]]), size=len(content)), Fast()
    )

    plain = gzip.decompress(stored)
    compressor = Fast().start()
    pieces = [compressor.compress(plain[start : start + (1 << 18)]) for start in range(0, len(plain), 1 << 18)]
    assert stored[10:-8] == b"".join(pieces) + compressor.flush()


def _without_a_compressor(layer: LayerWriter) -> None:
    layer.directory("etc", 0o750, uid=1, gid=2, mtime=3)
    layer.file("etc/motd", b"hello\n", 0o600)
    layer.file("long/" * 60 + "\u00e9", NOISE)
    layer.file("zeros", Deflated(Held(_ZEROS), 0, len(_ZEROS), 1000, 0x60B1780, "some.whl: zeros"))
    layer.symlink("link", "etc/motd")


def test_golden_digest() -> None:
    """Stored bytes never change by accident: a change counts writer.VERSION up."""
    stored, diff_id = written(_without_a_compressor)

    assert hashlib.sha256(stored).hexdigest() == "a0355d41bb8ff3c4c149f6862f897eab651c3dcd610d17a1253df4e17ba0c319"
    assert diff_id == "sha256:47a935a07264f633bc2a878dd1187a8df83ca45e7407ced36322f83bbba9563e"


def test_an_error_of_the_sink_comes_out() -> None:
    """When there is no space, the writer stops and says so, however much is still to come."""

    class Full:
        def write(self, data: bytes | memoryview, /) -> None:
            raise OSError(28, "No space left on device")

    def write(layer: LayerWriter) -> None:
        for number in range(200):
            layer.file(f"{number}", deflated(NOISE))

    def small(layer: LayerWriter) -> None:
        layer.file("x", b"")

    def plain(layer: LayerWriter) -> None:
        for number in range(200):
            layer.file(f"{number}", NOISE)

    for way in (write, small, plain):
        for encoder in (Stored(), Fast()):
            with pytest.raises(OSError, match="No space left"), LayerWriter(Full(), encoder=encoder) as layer:
                way(layer)
