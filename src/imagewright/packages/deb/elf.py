"""What an ELF file says of itself: its machine, and the name that other files know it by."""

import struct

from imagewright.dataclass import dataclass

MACHINES = {"amd64": 62, "arm64": 183}
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")
_LOAD, _DYNAMIC_SEGMENT = 1, 2
_END, _STRINGS, _SONAME = 0, 5, 14
_SHARED = 3


@dataclass(frozen=True, slots=True)
class Library:
    """A shared object. ``soname`` is "" when it has none."""

    machine: int
    soname: str


def library(data: bytes) -> Library | None:
    """What ``data`` is as a shared object of 64 bits, or None when it is something else.

    Source: System V gABI, "Object Files" and "Dynamic Linking".
    """
    if len(data) < _HEADER.size or data[:6] != b"\x7fELF\x02\x01":
        return None
    _, kind, machine, _, _, at, _, _, _, entry_size, entries, *_ = _HEADER.unpack_from(data)
    if kind != _SHARED or entry_size != _SEGMENT.size or at + entries * entry_size > len(data):
        return None
    segments = [_SEGMENT.unpack_from(data, at + number * entry_size) for number in range(entries)]
    dynamic = next((segment for segment in segments if segment[0] == _DYNAMIC_SEGMENT), None)
    if dynamic is None:
        return None
    tags: dict[int, int] = {}
    for tag, value in _DYNAMIC.iter_unpack(data[dynamic[2] : dynamic[2] + dynamic[5] // _DYNAMIC.size * _DYNAMIC.size]):
        if tag == _END:
            break
        tags.setdefault(tag, value)
    if _SONAME not in tags or _STRINGS not in tags:
        return Library(machine, "")
    for kind, _, offset, address, _, size, _, _ in segments:
        if kind == _LOAD and address <= tags[_STRINGS] < address + size:
            start = tags[_STRINGS] - address + offset + tags[_SONAME]
            return Library(machine, data[start : data.find(b"\0", start)].decode("ascii", "replace"))
    return Library(machine, "")
