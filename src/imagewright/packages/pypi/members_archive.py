"""A wheel's file that is open, and the error that refuses it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from imagewright.errors import BuildError
from imagewright.layer.splice import BrokenStream, Deflated, crc32, pieces, whole

_CHUNK = 1 << 18
_WINDOW = 1 << 16
_SMALL = 1 << 13


class Member(NamedTuple):
    """A file in the archive. ``offset`` is its content's; sizes in bytes."""

    name: str
    offset: int
    compressed_size: int
    size: int
    crc32: int
    deflated: bool
    executable: bool


class RefusedArchive(BuildError):
    """An archive breaks a rule; nothing of it was used. ``rule`` says which, ``member`` where, or ""."""

    code = "IW303"

    def __init__(self, archive: str, rule: str, member: str = "", *, fix: str = "") -> None:
        super().__init__(
            f"{archive} is refused: {rule}",
            why=f"member: {member!r}" if member else (),
            fix=fix or "take another version of the package, or tell its maintainers: no sound archive is like this",
        )
        self.archive = archive
        self.rule = rule
        self.member = member


class Archive:
    """A zip archive that is open. Safe to share between threads: it holds no position.

    Small reads, which come in the order of the file, are answered from a window: a request to the system for each of ten
    thousand headers costs 0.2 s, most of it for another thread to give the interpreter back.
    """

    def __init__(self, file: int, filename: str) -> None:
        self._file = file
        self.filename = filename
        self.size = os.fstat(file).st_size
        self._window = (0, b"")

    def read_at(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset`` on."""
        start, window = self._window
        if start <= offset and offset + size <= start + len(window):
            return window[offset - start : offset - start + size]
        near = offset - start - len(window) < _WINDOW  # else what lies behind it is likely to be passed over as well
        data = os.pread(self._file, max(size, _WINDOW if near else _SMALL) if size <= _SMALL else size, offset)
        if len(data) < size:
            raise self.refused("it ends early")
        if len(data) == size:
            return data
        self._window = (offset, data)
        return data[:size]

    def content(self, member: Member, proof: tuple[str, bytes] | None = None) -> Deflated | Iterator[bytes]:
        """The member's content for a layer: as it lies here if it is deflated, else in chunks.

        ``proof`` is a hashlib algorithm and the digest that the content must have. What is not true raises
        `BrokenStream` from whoever reads it, in chunks from the last of them.
        """
        if not member.deflated:
            return self._chunks(member, proof)
        origin = f"{self.filename}: {member.name}"
        return Deflated(self, member.offset, member.compressed_size, member.size, member.crc32, origin, proof)

    def read(self, member: Member, proof: tuple[str, bytes] | None = None, *, limit: int = 64 << 20) -> bytes:
        """All of a member's content, proven; for the few files that have to be understood."""
        if member.size > limit:
            raise self.refused(f"it is larger than {limit >> 20} MiB, which no such file needs", member.name)
        try:
            content = self.content(member, proof)
            return whole(content) if isinstance(content, Deflated) else b"".join(content)
        except BrokenStream as error:
            raise self.refused(error.rule, member.name) from error

    def start(self, member: Member) -> bytes:
        """The first bytes of a member's content, at least eight when it has them; nothing of them is proven."""
        content = self.content(member)
        try:
            return next(pieces(content))[1] if isinstance(content, Deflated) else next(content, b"")
        except BrokenStream as error:
            raise self.refused(error.rule, member.name) from error

    def _chunks(self, member: Member, proof: tuple[str, bytes] | None) -> Iterator[bytes]:
        crc = 0
        hasher = hashlib.new(proof[0], usedforsecurity=False) if proof else None
        for start in range(0, member.size, _CHUNK):
            data = self.read_at(member.offset + start, min(_CHUNK, member.size - start))
            crc = crc32(data, crc)
            if hasher:
                hasher.update(data)
            yield data
        if crc != member.crc32:
            raise BrokenStream(f"{self.filename}: {member.name}", "its CRC-32 is not the declared one")
        if proof and hasher and hasher.digest() != proof[1]:
            raise BrokenStream(f"{self.filename}: {member.name}", f"its {proof[0]} is not the one that is recorded")

    def refused(self, rule: str, member: str = "") -> RefusedArchive:
        """The error that names this archive."""
        return RefusedArchive(self.filename, rule, member)


@contextmanager
def open_archive(path: Path, filename: str) -> Iterator[Archive]:
    """The archive at ``path``, called ``filename`` in errors."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield Archive(file, filename)
    finally:
        os.close(file)
