"""Tar headers: ustar, with a pax header only where ustar cannot say it."""

from collections.abc import Mapping
from typing import Final

from imagewright.errors import BuildError

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)  # POSIX asks for two blocks of zeros; the padding to 10240 is a habit of tape drives

FILE: Final = b"0"
HARDLINK: Final = b"1"
SYMLINK: Final = b"2"
DIRECTORY: Final = b"5"
_PAX: Final = b"x"

MAX_SIZE: Final = 0o77777777777  # 8 GiB - 1
_MAX_ID = 0o7777777
MAX_NAME: Final = 100
_MAX_PREFIX = 155


def header(
    path: str,
    kind: bytes,
    *,
    mode: int,
    size: int = 0,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    link: str = "",
    xattrs: Mapping[str, bytes] | None = None,
) -> bytes:
    """The blocks that come before an entry's content. ``path`` is relative; a directory's gets its slash here.

    Extended attributes (``security.capability``) go into pax records as docker and GNU tar write them.

    Owners have no names, so that no machine's passwd file matters. Numbers that are not used stay zero bytes, as
    GNU tar leaves them: runs of zeros cost nothing in `imagewright.layer.stored`.
    Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".
    """
    name = path.encode() + b"/" if kind == DIRECTORY else path.encode()
    target = link.encode()
    parts = split(name)
    # Bytes above 127 have no meaning in ustar, whatever they are taken for in practice.
    fits = size <= MAX_SIZE and uid <= _MAX_ID and gid <= _MAX_ID and len(target) <= MAX_NAME and not xattrs
    if parts and fits and name.isascii() and target.isascii():
        return _block(*parts, kind, mode, uid, gid, size, mtime, target)
    records: dict[str, bytes] = {f"SCHILY.xattr.{key}": value for key, value in (xattrs or {}).items()}
    if not parts or not name.isascii():
        records["path"], parts = name, (name[:MAX_NAME], b"")
    if len(target) > MAX_NAME or not target.isascii():
        records["linkpath"], target = target, target[:MAX_NAME]
    if size > MAX_SIZE:
        records["size"], size = b"%d" % size, 0
    if uid > _MAX_ID:
        records["uid"], uid = b"%d" % uid, 0
    if gid > _MAX_ID:
        records["gid"], gid = b"%d" % gid, 0
    extended = b"".join(_record(key.encode(), records[key]) for key in sorted(records))
    first = _block(b"././@PaxHeader", b"", _PAX, 0, 0, 0, len(extended), 0, b"")
    return first + extended + padding(len(extended)) + _block(*parts, kind, mode, uid, gid, size, mtime, target)


def padding(size: int) -> bytes:
    """The zeros that fill an entry's last block."""
    return _ZEROS[size % BLOCK]


def checked_path(path: str) -> str:
    """``path`` without its leading slash.

    Raises:
        BuildError: It leaves the root, or is not a plain path.
    """
    relative = path[1:] if path.startswith("/") else path
    if "\0" in relative or not _NO_NAMES.isdisjoint(relative.split("/")):
        raise BuildError(f"a layer cannot hold the path {path!r}", code="IW302")
    return relative


_NO_NAMES = frozenset(("", ".", ".."))
_ZEROS = [bytes(-size % BLOCK) for size in range(BLOCK)]


def split(name: bytes) -> tuple[bytes, bytes] | None:
    """``name`` as ustar's (name, prefix), or None when it does not fit."""
    if len(name) <= MAX_NAME:
        return name, b""
    # The longest prefix that fits; the slash between the two is not stored, and a name is never empty.
    cut = name.rfind(b"/", 0, min(_MAX_PREFIX + 1, len(name) - 1))
    if cut > 0 and len(name) - cut - 1 <= MAX_NAME:
        return name[cut + 1 :], name[:cut]
    return None


def _block(
    name: bytes, prefix: bytes, kind: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, link: bytes
) -> bytes:
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime)
    # The checksum's own eight bytes count as spaces. Zeros count nothing: what is filled up is summed before.
    total = sum(name) + sum(numbers) + sum(kind) + sum(link) + sum(prefix) + _SUM
    parts = (name.ljust(MAX_NAME, b"\0"), numbers, b"%06o\0 " % total, kind, link.ljust(MAX_NAME, b"\0"), _MAGIC)
    return b"".join(parts) + prefix.ljust(167, b"\0")


_MAGIC = b"ustar\00000" + bytes(80)
_SUM = sum(_MAGIC) + 8 * 32


def _record(key: bytes, value: bytes) -> bytes:
    """A pax record: its length counts its own digits."""
    size = len(key) + len(value) + 3
    length = size + len(str(size))
    if len(str(length)) > len(str(size)):
        length = size + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)
