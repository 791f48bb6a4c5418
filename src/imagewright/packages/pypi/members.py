"""The members of a zip archive, read more strictly than any installer does."""

import struct
from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import Final

from imagewright.packages.pypi.members_archive import Archive, Member
from imagewright.packages.pypi.members_directory import DESCRIPTOR, Entry, long_numbers, read_directory, read_entry

MAX_SIZE: Final = 32 << 30
MAX_RATIO: Final = 200
"""An archive above 64 MiB unpacked may not be more than this many times its own size: real wheels stay below 20."""
_DEFLATE_RATIO = 1032  # what deflate can do at most: a member that claims more lies

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_HEADER = attrgetter("header")


def read_members(archive: Archive) -> list[Member]:
    """The archive's files in the order of their bytes, once every rule about them was found to hold.

    The central directory is the truth, and every local header must say the same; bytes of members lie one after the
    other with nothing before, between or behind; names are plain relative paths, each once; nothing is a link, a
    device, encrypted or compressed by anything but deflate. What only shows when content is inflated is proven there.

    Source: PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5; binary distribution format (wheel) 1.0.

    Raises:
        RefusedArchive: A rule is broken.
    """
    entries, start = read_directory(archive)
    entries.sort(key=_HEADER)
    _check_names(archive, entries)
    _check_sizes(archive, entries)
    ends = [*map(_HEADER, entries[1:]), start]
    if entries[0].header != 0:
        raise archive.refused("there are bytes before its first member")
    return [
        member
        for entry, end in zip(entries, ends, strict=True)
        if (member := _check_local(archive, entry, end)) and not entry.is_directory
    ]


def _check_names(archive: Archive, entries: list[Entry]) -> None:
    names = {entry.name.rstrip("/") for entry in entries}
    if len(names) != len(entries):
        seen: set[str] = set()
        for entry in entries:
            if entry.name.rstrip("/") in seen:
                raise archive.refused("a name is there twice", entry.name)
            seen.add(entry.name.rstrip("/"))
    both = file_and_folder({entry.name for entry in entries if not entry.is_directory}, names)
    if both:
        raise archive.refused("a file is a directory as well", both)


def file_and_folder(files: Collection[str], names: Iterable[str]) -> str | None:
    """One of ``files`` that one of the ``names`` lies below, or None."""
    for name in {name.rpartition("/")[0] for name in names}:
        folder = name
        while folder:
            if folder in files:
                return folder
            folder = folder.rpartition("/")[0]
    return None


def _check_sizes(archive: Archive, entries: list[Entry]) -> None:
    total = 0
    for entry in entries:
        total += entry.size
        if entry.size > entry.compressed_size * _DEFLATE_RATIO + 64:
            raise archive.refused("a member claims to be larger than deflate can make it", entry.name)
    if total > MAX_SIZE or (total > 64 << 20 and total > archive.size * MAX_RATIO):
        raise archive.refused(f"it would unpack to {total} bytes")


def read_member(archive: Archive, at: int) -> Member:
    """The one member whose entry is at ``at`` in the central directory; what lies around it is not looked at."""
    entry = read_entry(archive, at)
    fields = _LOCAL.unpack(archive.read_at(entry.header, _LOCAL.size))
    return entry.member(entry.header + _LOCAL.size + fields[9] + fields[10])


def _check_local(archive: Archive, entry: Entry, end: int) -> Member:
    """The member, when its local header says what the central directory says and its bytes end where the next begin."""
    name_size = len(entry.raw_name)
    if entry.header + _LOCAL.size + name_size > end:
        raise archive.refused("members overlap", entry.name)
    data = archive.read_at(entry.header, _LOCAL.size + name_size)
    offset = entry.header + _LOCAL.size + name_size
    if (
        data[6:30] == entry.local
        and data[:4] == b"PK\3\4"
        and data[30:] == entry.raw_name
        and offset + entry.compressed_size == end
    ):
        return entry.member(offset)  # the usual: all is the same, and the next member follows at once
    signature, _, flags, method, _, _, crc, compressed_size, size, local_name_size, extra_size = _LOCAL.unpack_from(
        data
    )
    if signature != b"PK\3\4" or local_name_size != name_size or data[_LOCAL.size :] != entry.raw_name:
        raise archive.refused("a local header has another name than the directory, or is missing", entry.name)
    if (flags, method) != (entry.flags, entry.method):
        raise archive.refused("a local header has other flags or another method than the directory", entry.name)
    offset = entry.header + _LOCAL.size + name_size + extra_size
    if extra_size or 0xFFFFFFFF in (compressed_size, size):
        extra = archive.read_at(offset - extra_size, extra_size)
        size, compressed_size, _ = long_numbers(archive, entry.name, extra, size, compressed_size, 0)
    said, true = (crc, compressed_size, size), (entry.crc32, entry.compressed_size, entry.size)
    after = end - offset - entry.compressed_size
    if after < 0:
        raise archive.refused("members overlap", entry.name)
    if flags & DESCRIPTOR:
        if any(number not in (0, truth) for number, truth in zip(said, true, strict=True)):
            raise archive.refused("a local header has other sizes or another CRC than the directory", entry.name)
        _check_descriptor(archive, entry, offset + entry.compressed_size, after)
    elif said != true:
        raise archive.refused("a local header has other sizes or another CRC than the directory", entry.name)
    elif after:
        raise archive.refused("there are bytes between members that belong to none", entry.name)
    return entry.member(offset)


def _check_descriptor(archive: Archive, entry: Entry, at: int, size: int) -> None:
    """A data descriptor follows the content, with or without its signature, and says the same once more."""
    layout = {12: "<3L", 16: "<4s3L", 20: "<L2Q", 24: "<4sL2Q"}.get(size)
    if layout is None:
        raise archive.refused("there are bytes between members that belong to none", entry.name)
    fields = struct.unpack(layout, archive.read_at(at, size))
    if size in (16, 24):
        signature, fields = fields[0], fields[1:]
        if signature != b"PK\7\x08":
            raise archive.refused("there are bytes between members that belong to none", entry.name)
    if fields != (entry.crc32, entry.compressed_size, entry.size):
        raise archive.refused("a data descriptor says other things than the directory", entry.name)
