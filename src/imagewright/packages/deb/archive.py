"""Reads .deb files, strictly: an ar archive of a version, a control tar and a data tar."""

import lzma
import mmap
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from imagewright.dataclass import dataclass
from imagewright.errors import BuildError
from imagewright.packages.deb.xz import Decompressor, xz_decompressor

CHUNK = 1 << 20  # what is unpacked at a time; lzma lets go of the GIL while it does
MAX_FILE = 1 << 30
MAX_CONTROL = 1 << 26
_BLOCK = 512
_MAX_PATH = 4096
_MAX_NAME = 255
_AR = b"!<arch>\n"

Kind = Literal["file", "directory", "symlink", "hardlink"]
_KINDS: dict[bytes, Kind] = {b"0": "file", b"\0": "file", b"5": "directory", b"2": "symlink", b"1": "hardlink"}


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of a tar. ``path`` has no leading slash, "" is the root; ``link`` is a symlink's text or a hard link's path.

    ``pieces`` is a file's content as it was unpacked: a compiler's programs have thirty, and joining them costs as much as
    writing them.
    """

    path: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    link: str
    pieces: tuple[bytes, ...]

    @property
    def data(self) -> bytes:
        """A file's content in one piece."""
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)


class Deb:
    """A .deb file that is open. Source: deb(5) of dpkg 1.22."""

    def __init__(self, content: memoryview, name: str) -> None:
        self._content, self._name = content, name
        parts = list(self._parts())
        names = [part for part, _ in parts]
        if len(parts) != 3 or names[0] != "debian-binary" or bytes(parts[0][1][:2]) != b"2.":
            raise refused(
                name, f"it is made of {', '.join(names)[:80] or 'nothing'}, not of a version, control and data"
            )
        if not names[1].startswith("control.tar") or not names[2].startswith("data.tar"):
            raise refused(name, f"it is made of {', '.join(names)[:80]}")
        self._control, self._data = parts[1], parts[2]

    def close(self) -> None:
        """Let go of the file."""
        self._control[1].release()
        self._data[1].release()

    def control(self) -> bytes:
        """The control tar, unpacked."""
        unpacked = bytearray()
        for chunk in self._unpack(*self._control):
            unpacked += chunk
            if len(unpacked) > MAX_CONTROL:
                raise refused(self._name, f"its control data is over {MAX_CONTROL} bytes")
        return bytes(unpacked)

    def data(self) -> Iterator[bytes]:
        """The data tar, unpacked piece by piece."""
        return self._unpack(*self._data)

    def _parts(self) -> Iterator[tuple[str, memoryview]]:
        if bytes(self._content[:8]) != _AR:
            raise refused(self._name, "it is not an ar archive")
        at = len(_AR)
        while at < len(self._content):
            head = bytes(self._content[at : at + 60])
            if len(head) != 60 or head[58:] != b"`\n" or not head[48:58].strip().isdigit():
                raise refused(self._name, f"its ar header at byte {at} is broken")
            size = int(head[48:58])
            start, end = at + 60, at + 60 + size
            if end > len(self._content):
                raise refused(self._name, "it is cut off")
            yield head[:16].decode("ascii", "replace").strip().removesuffix("/"), self._content[start:end]
            at = end + size % 2

    def _unpack(self, name: str, packed: memoryview) -> Iterator[bytes]:
        unpacker: Decompressor
        match name.rpartition(".tar")[2]:
            case ".xz":
                unpacker = xz_decompressor(1 << 28)
            case ".gz":
                unpacker = _Gzip()
            case "":
                yield from (bytes(packed[at : at + CHUNK]) for at in range(0, len(packed), CHUNK))
                return
            case other:
                raise refused(self._name, f"its data is compressed with {other!r}; Debian's packages use .xz or .gz")
        at = 0
        try:
            while not unpacker.eof:
                piece = b""
                if unpacker.needs_input:
                    piece = bytes(packed[at : at + CHUNK])
                    at += len(piece)
                    if not piece:
                        raise refused(self._name, f"{name} ends too early")
                chunk = unpacker.decompress(piece, CHUNK)
                if chunk:
                    yield chunk
        except (lzma.LZMAError, zlib.error) as error:
            raise refused(self._name, f"{name} cannot be unpacked: {error}") from error
        if unpacker.unused_data or at < len(packed):
            raise refused(self._name, f"{name} has something after its end")


class _Gzip:
    """zlib's decompressor, with lzma's interface."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


@contextmanager
def open_deb(path: Path, name: str) -> Iterator[Deb]:
    """The .deb at ``path``; ``name`` is what errors call it.

    Raises:
        BuildError: It is not a .deb (IW303); so do its methods.
    """
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise refused(name, "it is empty") from error
        with mapped, memoryview(mapped) as view:
            deb = Deb(view, name)
            try:
                yield deb
            finally:
                deb.close()


def members(chunks: Iterable[bytes], name: str) -> Iterator[Member]:
    """The entries of a tar, as dpkg takes them: files, directories and links, with GNU's long names.

    Source: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "GNU tar and POSIX".

    Raises:
        BuildError: Anything else is in it, a path leads out of the root, or it is cut off (IW303).
    """
    reader = _Reader(chunks, name)
    long_path, long_link = "", ""
    while True:
        head = reader.read(_BLOCK)
        if not head.strip(b"\0"):
            break
        if sum(head[:148]) + sum(head[156:]) + 256 != _octal(head[148:156], name):
            raise refused(name, "a tar header has a wrong checksum")
        size = _octal(head[124:136], name)
        if size > MAX_FILE:
            raise refused(name, f"a file in it has {size} bytes")
        pieces = reader.take(size)
        reader.take(-size % _BLOCK)
        kind = head[156:157]
        if kind == b"L":
            long_path = _text(b"".join(pieces).rstrip(b"\0"), name)
        elif kind == b"K":
            long_link = _text(b"".join(pieces).rstrip(b"\0"), name)
        elif kind not in _KINDS:
            raise refused(name, f"it has an entry of type {kind!r}: only files, directories and links can be in it")
        else:
            path = long_path or _text(_ustar_name(head), name)
            link = long_link or _text(head[157:257].split(b"\0")[0], name)
            long_path = long_link = ""
            if _KINDS[kind] != "file" and size:
                raise refused(name, f"{path!r} is not a file and has content")
            yield Member(
                _plain(path, name),
                _KINDS[kind],
                _octal(head[100:108], name) & 0o7777,
                _octal(head[108:116], name),
                _octal(head[116:124], name),
                _octal(head[136:148], name),
                _plain(link, name) if _KINDS[kind] == "hardlink" else link,
                pieces,
            )
    reader.drain()


class _Reader:
    """Exact reads from chunks."""

    def __init__(self, chunks: Iterable[bytes], name: str) -> None:
        self._chunks, self._name = iter(chunks), name
        self._buffer = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        return b"".join(self.take(size))

    def take(self, size: int) -> tuple[bytes, ...]:
        """The next ``size`` bytes, cut where the chunks are."""
        pieces: list[bytes] = []
        while size:
            if self._at == len(self._buffer):
                self._buffer, self._at = next(self._chunks, b""), 0
                if not self._buffer:
                    raise refused(self._name, "a tar in it is cut off")
            piece = self._buffer[self._at : self._at + size]
            pieces.append(piece)
            self._at += len(piece)
            size -= len(piece)
        return tuple(pieces)

    def drain(self) -> None:
        """Read to the end, past which there may only be zeros."""
        rest = self._buffer[self._at :]
        while rest:
            if rest.strip(b"\0"):
                raise refused(self._name, "a tar in it goes on after its end")
            rest = next(self._chunks, b"")


def _ustar_name(head: bytes) -> bytes:
    name = head[:100].split(b"\0")[0]
    prefix = head[345:500].split(b"\0")[0] if head[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _octal(data: bytes, name: str) -> int:
    text = data.strip(b" \0")
    try:
        return int(text, 8) if text else 0
    except ValueError as error:
        raise refused(name, f"a tar header has {text!r} for a number") from error


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise refused(name, f"the path {data!r} is not UTF-8") from error
    if "\0" in text or "\n" in text:
        raise refused(name, f"the path {text!r} has a character that no path may have")
    return text


def _plain(path: str, name: str) -> str:
    """``path`` relative to the root, without ``./`` before and a slash behind."""
    text = path.removeprefix("./").removesuffix("/")
    if text in ("", "."):
        return ""
    parts = text.split("/")
    if any(part in ("", ".", "..") or len(part.encode()) > _MAX_NAME for part in parts) or len(text) > _MAX_PATH:
        raise refused(name, f"the path {path!r} is not a plain one below the root")
    return text


def refused(name: str, reason: str) -> BuildError:
    """The error for a .deb that is broken or hostile."""
    return BuildError(f"the Debian package {name} is refused: {reason}", code="IW303")
