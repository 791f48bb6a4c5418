"""Writes one layer: a tar, in gzip members, from plain bytes and from streams that are compressed already."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Final

from imagewright.errors import BuildError
from imagewright.layer import tar
from imagewright.layer.diff_id import DiffIDWriter
from imagewright.layer.encoder import Encoder, Stored
from imagewright.layer.packing import MEMBER, PIECE, Packing, trailer
from imagewright.layer.planned import Sink
from imagewright.layer.splice import Deflated, fits_at_once, whole
from imagewright.layer.usual import header_member
from imagewright.oci.digest import DiffID

VERSION: Final = 1
"""Goes into the key of every layer. Count it up when the same calls give other bytes."""

# Spliced content costs 10 + 8 bytes of framing, and as much again for the next header: see docs/decisions/0020.
_SPLICE_COST = 40
_SMALL = 4096

Content = bytes | Deflated | Iterable[bytes]


class LayerWriter:
    """Writes a layer's stored bytes to ``out``; inside a ``with``. After it `diff_id` is known.

    Entries come in the order of the calls; directories that a path needs are made before it, once, as root's with mode
    755. Paths are in the image, with or without the leading slash. Threads beside this one inflate and compress,
    hash, and call ``out``. Memory is bounded by some 20 MiB whatever the content's size. The bytes are a function
    of the calls and of the encoder's id.

    Raises (all methods):
        BuildError: IW302: a path comes twice, lies below a file, or is not a plain path; content has another size than
            was said.
        BrokenStream: Deflated content is not what it says. Of large content it may come from a later call, or from
            leaving the ``with``.
    """

    def __init__(self, out: Sink, *, encoder: Encoder | None = None) -> None:
        self._tar = DiffIDWriter(out)
        encoder = encoder or Stored()
        self._packing = Packing(encoder, self._tar.store)
        self._stores = isinstance(encoder, Stored)
        self._stack = ExitStack()
        self._seen: dict[str, tuple[bytes, int, int, int, int] | None] = {}
        self._plain: list[bytes] = []
        self._plain_size = 0
        self._owed = 0  # zeros that fill the last block of the entry before

    def __enter__(self) -> "LayerWriter":
        self._stack.enter_context(self._tar)
        self._stack.enter_context(self._packing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._add(tar.END)
                self._end_member()
            except BaseException as failure:
                self._stack.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._stack.__exit__(kind, error, traceback)

    @property
    def diff_id(self) -> DiffID:
        """The diff_id of what was written; only known after the ``with``."""
        return self._tar.diff_id

    def directory(
        self,
        path: str,
        mode: int = 0o755,
        *,
        uid: int = 0,
        gid: int = 0,
        mtime: int = 0,
        xattrs: Mapping[str, bytes] | None = None,
    ) -> None:
        """A directory. One that is there already must have the same attributes."""
        path = tar.checked_path(path)
        attributes = (tar.DIRECTORY, mode, uid, gid, mtime)
        if path in self._seen:
            if self._seen[path] == attributes:
                return
            raise _refused(path, "comes twice" if self._seen[path] is None else "was made with other attributes before")
        self._begin(path, attributes)
        self._add(tar.header(path, tar.DIRECTORY, mode=mode, uid=uid, gid=gid, mtime=mtime, xattrs=xattrs))

    def file(
        self,
        path: str,
        content: Content,
        mode: int = 0o644,
        *,
        size: int | None = None,
        uid: int = 0,
        gid: int = 0,
        mtime: int = 0,
        xattrs: Mapping[str, bytes] | None = None,
    ) -> None:
        """A regular file. Chunks need their ``size``, since it comes before them."""
        path = tar.checked_path(path)
        if isinstance(content, (bytes, Deflated)):
            size = len(content) if isinstance(content, bytes) else content.size
        elif size is None:
            raise TypeError("content in chunks needs its size")
        self._begin(path, None)
        if (
            self._stores
            and isinstance(content, Deflated)
            and not (uid or gid or mtime or xattrs)
            and self._usual(path, content, mode)
        ):
            return
        self._add(tar.header(path, tar.FILE, mode=mode, size=size, uid=uid, gid=gid, mtime=mtime, xattrs=xattrs))
        if isinstance(content, bytes):
            self._add(content)
        elif isinstance(content, Deflated):
            self._add_deflated(content)
        else:
            self._add_chunks(path, content, size)
        self._owed = -size % tar.BLOCK

    def settle(self) -> None:
        """Wait until all content that was given has been read: only then may its source be closed."""
        self._tar.settle()

    def symlink(self, path: str, target: str, *, uid: int = 0, gid: int = 0, mtime: int = 0) -> None:
        """A symbolic link; the target is text, nobody looks whether it is there."""
        path = tar.checked_path(path)
        self._begin(path, None)
        self._add(tar.header(path, tar.SYMLINK, mode=0o777, uid=uid, gid=gid, mtime=mtime, link=target))

    def hardlink(
        self, path: str, target: str, mode: int = 0o644, *, uid: int = 0, gid: int = 0, mtime: int = 0
    ) -> None:
        """A second name of a file that this layer has already; mode and owner are the file's."""
        path, target = tar.checked_path(path), tar.checked_path(target)
        if target not in self._seen:
            raise _refused(path, f"is a link to {target!r}, which does not come before it")
        self._begin(path, None)
        self._add(tar.header(path, tar.HARDLINK, mode=mode, uid=uid, gid=gid, mtime=mtime, link=target))

    def _begin(self, path: str, attributes: tuple[bytes, int, int, int, int] | None) -> None:
        """Take note of the path; directories that it needs come first."""
        if path in self._seen:
            raise _refused(path, "comes twice")
        parent = path.rpartition("/")[0]
        if parent:
            known = self._seen.get(parent, _MISSING)
            if known is _MISSING:
                self.directory(parent)
            elif known is None:
                raise _refused(path, f"lies below {parent!r}, which is not a directory")
        self._seen[path] = attributes

    def _usual(self, path: str, content: Deflated, mode: int) -> bool:
        """Write a file as nearly all of a wheel are: small enough to be spliced at once, after another one. Else False."""
        if self._plain_size or self._packing.is_open or _is_plain(content) or not fits_at_once(content):
            return False
        made = header_member(self._owed, path.encode(), mode, content.size)
        if made is None:
            return False
        header, member = made
        self._tar.add(header)
        stream = self._tar.splice_at_once(content)
        self._packing.stream(b"".join((member, MEMBER, stream, trailer(content.crc32, content.size))))
        self._owed = -content.size % tar.BLOCK
        return True

    def _add_deflated(self, content: Deflated) -> None:
        if _is_plain(content):
            self._add(whole(content))
            return
        self._end_member()
        end = trailer(content.crc32, content.size)
        if fits_at_once(content):
            self._packing.stream(MEMBER + self._tar.splice_at_once(content) + end)
            return
        self._packing.stream(MEMBER)
        self._packing.settle()
        self._tar.splice(content)
        self._packing.stream(end)

    def _add_chunks(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        left = size
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            self._add(bytes(chunk))
        if left:
            raise _refused(path, f"was said to have {size} bytes and has {'more' if left < 0 else size - left}")

    def _add(self, data: bytes) -> None:
        """The tar's next bytes, plain."""
        if self._owed:
            data, self._owed = bytes(self._owed) + data, 0
        self._tar.add(data)
        self._plain.append(data)
        self._plain_size += len(data)
        if self._plain_size >= PIECE:
            # Equal pieces, so that the stored bytes do not depend on how the content was cut into chunks.
            data = b"".join(self._plain)
            whole_pieces = len(data) - len(data) % PIECE
            for start in range(0, whole_pieces, PIECE):
                self._packing.plain(data[start : start + PIECE])
            self._plain = [data[whole_pieces:]]
            self._plain_size = len(data) - whole_pieces

    def _end_member(self) -> None:
        if self._plain_size:
            self._packing.last(b"".join(self._plain))
            self._plain, self._plain_size = [], 0
        else:
            self._packing.end()


def _is_plain(content: Deflated) -> bool:
    """Whether splicing it would cost more than it saves."""
    return content.size <= min(_SMALL, content.compressed_size + _SPLICE_COST)


_MISSING = (b"", 0, 0, 0, 0)


def _refused(path: str, rule: str) -> BuildError:
    return BuildError(f"the layer cannot be written: {path!r} {rule}", code="IW302")
