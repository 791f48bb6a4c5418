"""The central directory of a zip archive: where it is, and what it says of each member."""

import re
import stat
import struct
from typing import Final, NamedTuple

from imagewright.packages.pypi.members_archive import Archive, Member

MAX_MEMBERS: Final = 200_000

_CENTRAL = struct.Struct("<4s4xHH4xLLLHHHH2xLL")
_LENGTHS = struct.Struct("<HHH")
_END = struct.Struct("<4sHHHHLLH")
_END64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")

_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
DESCRIPTOR = 0x0008
_UTF8 = 0x0800
_KNOWN_FLAGS = 0x0006 | DESCRIPTOR | _UTF8  # 0x0006 is how hard deflate tried
_STORED, _DEFLATED = 0, 8

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_DRIVE = re.compile(r"[A-Za-z]:")


class Entry(NamedTuple):
    """A line of the central directory.

    ``local`` is what the local header of a plain one says from its flags to the sizes of its name and extra field, else empty.
    """

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int
    header: int
    mode: int
    local: bytes

    @property
    def is_directory(self) -> bool:
        """Whether it stands for a directory, which has no content."""
        return self.name.endswith("/")

    def member(self, offset: int) -> Member:
        """The member whose content begins at ``offset``."""
        executable = stat.S_ISREG(self.mode) and bool(self.mode & 0o111)  # as pip decides it
        deflated = self.method == _DEFLATED
        return Member(self.name, offset, self.compressed_size, self.size, self.crc32, deflated, executable)


def read_directory(archive: Archive) -> tuple[list[Entry], int]:
    """What the central directory says, in its own order, and where it starts. Each name and kind is checked."""
    count, start, size = _read_end(archive)
    return _read_entries(archive, count, start, size), start


def _read_end(archive: Archive) -> tuple[int, int, int]:
    """How many members there are, where the central directory starts and how long it is."""
    tail_size = min(archive.size, _END.size + 0xFFFF)
    tail = archive.read_at(archive.size - tail_size, tail_size)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise archive.refused("it is no zip archive, or it is cut off")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise archive.refused("there are bytes after its end")
    if b"PK" in tail[at + _END.size :]:
        raise archive.refused("its comment looks like a part of an archive")
    end = archive.size - tail_size + at
    if end >= _LOCATOR.size and archive.read_at(end - _LOCATOR.size, 4) == b"PK\6\7":
        end, count, start, size = _read_end64(
            archive, end - _LOCATOR.size, (disk, first_disk, here, count, size, start)
        )
    elif disk or first_disk or here != count or count == 0xFFFF or 0xFFFFFFFF in (size, start):
        raise archive.refused("it says that it is a part of several, or has sizes without saying them")
    if start + size != end:
        raise archive.refused("its central directory is not where it says, or something else lies behind it")
    if count > MAX_MEMBERS:
        raise archive.refused(f"it has {count} members, more than {MAX_MEMBERS}")
    if count == 0:
        raise archive.refused("it is empty")
    return count, start, size


def _read_end64(archive: Archive, locator: int, short: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The same, from the records for large archives, which must not say other things than the short one."""
    _, disk, at, disks = _LOCATOR.unpack(archive.read_at(locator, _LOCATOR.size))
    if disk or disks != 1 or at + _END64.size != locator:
        raise archive.refused("its zip64 records are not where they say")
    record = _END64.unpack(archive.read_at(at, _END64.size))
    signature, record_size, _, _, own_disk, first_disk, here, count, size, start = record
    if signature != b"PK\6\6" or record_size != _END64.size - 12 or own_disk or first_disk or here != count:
        raise archive.refused("its zip64 record is malformed")
    limits = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    for said, limit, long in zip(short, limits, (0, 0, here, count, size, start), strict=True):
        if said not in (long, limit):
            raise archive.refused("its zip64 record and its end record say different things")
    return at, count, start, size


def _read_entries(archive: Archive, count: int, start: int, size: int) -> list[Entry]:
    data = archive.read_at(start, size)
    entries: list[Entry] = []
    at = 0
    for _ in range(count):
        entry, at = _read_entry(archive, data, at)
        entries.append(entry)
    if at != size:
        raise archive.refused("its central directory has more entries than it says")
    return entries


def _read_entry(archive: Archive, data: bytes, at: int) -> tuple[Entry, int]:
    """The entry at ``at``, and where the next one is."""
    start = at + _CENTRAL.size
    if start > len(data) or data[at : at + 4] != b"PK\1\2":
        raise archive.refused("its central directory has fewer entries than it says")
    (
        _, flags, method, crc, compressed_size, full_size, name_size, extra_size, comment_size, disk, attributes, header,
    ) = _CENTRAL.unpack_from(data, at)  # fmt: skip
    raw_name = data[start : start + name_size]
    local = b"" if flags & DESCRIPTOR else data[at + 8 : at + 32]
    at = start + name_size + extra_size + comment_size
    mode = attributes >> 16
    if (
        not extra_size
        and not disk
        and method == _DEFLATED
        and not flags & ~_KNOWN_FLAGS
        and mode >> 12 in _REGULAR
        and max(compressed_size, full_size, header) < 0xFFFFFFFF
        and (name := _plain_name(raw_name))
    ):
        return Entry(raw_name, name, flags, method, crc, compressed_size, full_size, header, mode, local), at
    name = _name(archive, raw_name, flags)
    extra = data[start + name_size : start + name_size + extra_size]
    if extra or 0xFFFFFFFF in (compressed_size, full_size, header):
        full_size, compressed_size, header = long_numbers(archive, name, extra, full_size, compressed_size, header)
    if disk:
        raise archive.refused("it says that it is a part of several archives", name)
    _check_kind(archive, name, flags, method, mode, compressed_size, full_size)
    return Entry(raw_name, name, flags, method, crc, compressed_size, full_size, header, mode, b""), at


def list_names(archive: Archive) -> dict[str, int]:
    """The names of all files, and where in the central directory each is: a fast look, nothing is checked."""
    count, start, size = _read_end(archive)
    data = archive.read_at(start, size)
    names: dict[str, int] = {}
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > size:
            raise archive.refused("its central directory has fewer entries than it says")
        name_size, extra_size, comment_size = _LENGTHS.unpack_from(data, at + 28)
        name = data[at + _CENTRAL.size : at + _CENTRAL.size + name_size]
        if not name.endswith(b"/"):
            names[name.decode("utf-8", "replace")] = at
        at += _CENTRAL.size + name_size + extra_size + comment_size
    return names


def read_entry(archive: Archive, at: int) -> Entry:
    """The one entry that `list_names` found at ``at``."""
    _, start, size = _read_end(archive)
    return _read_entry(archive, archive.read_at(start, size), at)[0]


def _plain_name(raw: bytes) -> str:
    """The name of a file that breaks no rule at first sight, as nearly all do; "" when `_name` has to decide."""
    name = raw.decode("ascii", "replace")
    return (
        name
        if (
            len(raw) <= 100
            and raw.isascii()
            and name.isprintable()
            and "/." not in name
            and "//" not in name
            and ":" not in name
            and "\\" not in name
            and name[:1] not in _NO_FIRST
            and name[-1:] != "/"
        )
        else ""
    )


_NO_FIRST = frozenset(("", ".", "/"))
_REGULAR = frozenset((0, stat.S_IFREG >> 12))


def _name(archive: Archive, raw: bytes, flags: int) -> str:
    """The name, when it is a plain relative path that every reader decodes alike."""
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise archive.refused("a name is not UTF-8, or not marked as it", repr(raw)) from None
    parts = (name[:-1] if name.endswith("/") else name).split("/")
    if _CONTROL.search(name):
        raise archive.refused("a name has a backslash or a control character", name)
    if "" in parts or "." in parts or ".." in parts or _DRIVE.match(name):
        raise archive.refused("a name is not a plain relative path", name)
    if len(raw) > 100 and (len(raw) > 3072 or max(len(part.encode()) for part in parts) > 255):
        raise archive.refused("a name is longer than a file system takes", name)
    return name


def _check_kind(
    archive: Archive, name: str, flags: int, method: int, mode: int, compressed_size: int, size: int
) -> None:
    if flags & _ENCRYPTED:
        raise archive.refused("a member is encrypted", name)
    if flags & ~_KNOWN_FLAGS:
        raise archive.refused(f"a member has flags that nobody should need ({flags:#06x})", name)
    if method not in (_STORED, _DEFLATED):
        raise archive.refused(f"a member is compressed by method {method}, not by deflate", name)
    if method == _STORED and compressed_size != size:
        raise archive.refused("a stored member has two sizes", name)
    kind = stat.S_IFMT(mode)
    if name.endswith("/"):
        if size or kind not in (0, stat.S_IFDIR):
            raise archive.refused("a directory has content, or is something else as well", name)
    elif kind not in (0, stat.S_IFREG):
        raise archive.refused("a member is a link, a device or another special file", name)


def long_numbers(
    archive: Archive, name: str, extra: bytes, size: int, compressed_size: int, header: int
) -> tuple[int, int, int]:
    """Size, compressed size and header offset, taken from the zip64 extra field where the short ones are full."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            raise archive.refused("an extra field is malformed", name)
        key, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra) or key in fields:
            raise archive.refused("an extra field is malformed, or there twice", name)
        fields[key] = extra[at + 4 : at + 4 + length]
        at += 4 + length
    if 0x7075 in fields:
        raise archive.refused("a member has a second name, in an extra field", name)
    long = fields.get(0x0001, b"")
    numbers = [size, compressed_size, header]
    place = 0
    for index, number in enumerate(numbers):
        if number == 0xFFFFFFFF:
            if place + 8 > len(long):
                raise archive.refused("a member has sizes without saying them", name)
            (numbers[index],) = struct.unpack_from("<Q", long, place)
            place += 8
    # Some writers leave both sizes here although the short fields hold them; then they must be the same.
    rest = long[place:]
    if rest and not (place == 0 and rest == struct.pack("<QQ", size, compressed_size)):
        raise archive.refused("a zip64 extra field says other things than the header", name)
    return numbers[0], numbers[1], numbers[2]
