"""The dynamic linker's cache, /etc/ld.so.cache, as ldconfig would write it."""

import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from imagewright.packages.deb.elf import Library
from imagewright.packages.deb.layout import merged

PATH = "etc/ld.so.cache"
_HEADER = struct.Struct("<17s3sIIB3xI12x")
_ENTRY = struct.Struct("<iIIIQ")
_LITTLE_ENDIAN = 2
_FLAGS = {62: 0x0303, 183: 0x0A03}  # ELF for libc6, and FLAG_X8664_LIB64 or FLAG_AARCH64_LIB64 of glibc's ldconfig.h
_TOKEN = re.compile(r"[0-9]+|[^0-9]")


def library_folders(files: Mapping[str, bytes]) -> list[str]:
    """The folders that ldconfig looks into, in order, without a leading slash: ld.so.conf's, then the built-in ones.

    ``files`` are the texts of /etc/ld.so.conf and what it includes. Source: ldconfig(8); the built-in folders are those
    of Debian's glibc.
    """
    folders = [*_conf("etc/ld.so.conf", files), "lib", "usr/lib"]
    seen: set[str] = set()
    found: list[str] = []
    for folder in folders:
        if merged(folder) not in seen:  # /usr/lib/x is not looked into again after /lib/x
            seen.add(merged(folder))
            found.append(folder)
    return found


def _conf(path: str, files: Mapping[str, bytes]) -> Iterable[str]:
    for line in files.get(path, b"").decode("utf-8", "replace").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for name in sorted(files):
                    if fnmatchcase(f"/{name}", pattern):
                        yield from _conf(name, files)
        elif words and words[0].startswith("/"):
            yield words[0].strip("/")


def ld_cache(folders: Sequence[str], libraries: Mapping[str, Library]) -> bytes:
    """The cache's bytes. ``libraries`` has the files and links of these folders, by their path in the merged tree.

    Each folder gives one entry for each name that a library is known by. Entries go from the last name to the first,
    numbers in them compared as numbers, which is the order that the linker's binary search relies on.
    Source: glibc 2.36, sysdeps/generic/dl-cache.h, elf/cache.c, elf/dl-cache.c (_dl_cache_libcmp).
    """
    entries: list[tuple[str, int, str]] = []
    for folder in folders:
        names: dict[str, int] = {}
        for path in sorted(libraries):
            parent, _, name = path.rpartition("/")
            if parent == merged(folder) and name.startswith(("lib", "ld-")) and ".so" in name:
                found = libraries[path]
                names[found.soname or name] = _FLAGS[found.machine]
        entries += [(name, flags, f"/{folder}/{name}") for name, flags in names.items()]
    # Python's sort keeps the folders' order among equal names also when it is reversed.
    entries.sort(key=lambda entry: _order(entry[0]), reverse=True)
    strings = bytearray()
    start = _HEADER.size + _ENTRY.size * len(entries)
    packed = bytearray()
    for name, flags, path in entries:
        at = start + len(strings)
        packed += _ENTRY.pack(flags, at + len(path) - len(name), at, 0, 0)
        strings += path.encode() + b"\0"
    header = _HEADER.pack(b"glibc-ld.so.cache", b"1.1", len(entries), len(strings), _LITTLE_ENDIAN, 0)
    return header + bytes(packed) + bytes(strings)


def _order(name: str) -> list[tuple[int, int]]:
    return [(1, int(token)) if token[0] in "0123456789" else (0, ord(token)) for token in _TOKEN.findall(name)]
