"""Wheels that tests make, byte by byte, so that any part of one can be wrong."""

import base64
import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagewright.layer.planned import InputFile, NothingProven
from imagewright.oci.digest import digest_of
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.target import Target

TARGET = Target(Platform("linux", "amd64"), "3.11", "/usr/bin/python3.11", ("glibc", "2.36"))
SITE = "opt/imagewright/lib/python3.11/site-packages"
WHEEL = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
UTF8 = 0x0800


@dataclass(frozen=True)
class Part:
    """A member as it is written. What is None is what is true; set it to lie."""

    name: str | bytes
    data: bytes = b""
    mode: int = 0o100644
    method: int = 8
    flags: int | None = None
    stream: bytes | None = None
    crc32: int | None = None
    size: int | None = None
    compressed_size: int | None = None
    extra: bytes = b""
    local: Mapping[str, int | bytes] = field(default_factory=dict)
    before: bytes = b""
    after: bytes = b""

    @property
    def raw_name(self) -> bytes:
        return self.name if isinstance(self.name, bytes) else self.name.encode()


@dataclass(frozen=True)
class Ending:
    """The end of the archive, with what is to be wrong in it."""

    comment: bytes = b""
    after: bytes = b""
    count: int | None = None
    size: int | None = None
    start: int | None = None
    disk: int = 0
    before_directory: bytes = b""
    before_end: bytes = b""
    zip64: Mapping[str, int] | None = None


def zipped(parts: Sequence[Part], ending: Ending = Ending()) -> bytes:
    """The archive."""
    body, directory = b"", b""
    for part in parts:
        raw = _deflated(part.data) if part.method == 8 else part.data
        stream = raw if part.stream is None else part.stream
        flags = (UTF8 if not part.raw_name.isascii() else 0) if part.flags is None else part.flags
        crc = zlib.crc32(part.data) if part.crc32 is None else part.crc32
        size = len(part.data) if part.size is None else part.size
        compressed = len(stream) if part.compressed_size is None else part.compressed_size
        body += part.before
        header = len(body)
        local: dict[str, int | bytes] = {
            "flags": flags,
            "method": part.method,
            "crc": crc,
            "compressed": compressed,
            "size": size,
        }
        local |= {"name": part.raw_name, "extra": part.extra, "signature": b"PK\3\4"} | dict(part.local)
        name, extra = local["name"], local["extra"]
        assert isinstance(name, bytes)
        assert isinstance(extra, bytes)
        numbers = [local[key] for key in ("crc", "compressed", "size")]
        body += struct.pack(
            "<4s5H3L2H", local["signature"], 20, local["flags"], local["method"], 0, 33, *numbers, len(name), len(extra)
        )
        body += name + extra + stream + part.after
        lengths = (len(part.raw_name), len(part.extra), 0)
        directory += (
            struct.pack(
                "<4s6H3L5H2L",
                b"PK\1\2",
                0x314,
                20,
                flags,
                part.method,
                0,
                33,
                crc,
                compressed,
                size,
                *lengths,
                0,
                0,
                (part.mode << 16) & 0xFFFFFFFF,
                header,
            )
            + part.raw_name
            + part.extra
        )
    body += ending.before_directory
    start = len(body) if ending.start is None else ending.start
    size = len(directory) if ending.size is None else ending.size
    count = len(parts) if ending.count is None else ending.count
    body += directory + ending.before_end
    if ending.zip64 is not None:
        long = {"count": count, "size": size, "start": start, "at": len(body)} | dict(ending.zip64)
        body += struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, long["count"], long["count"], long["size"], long["start"]
        )
        body += struct.pack("<4sLQL", b"PK\6\7", 0, long["at"], 1)
    comment = ending.comment
    body += struct.pack("<4s4H2LH", b"PK\5\6", ending.disk, 0, count, count, size, start, len(comment)) + comment
    return body + ending.after


def record(parts: Sequence[Part], path: str) -> Part:
    """RECORD, as it should be."""
    lines = [
        f"{part.name!s},{sha256(part.data)},{len(part.data)}\n" for part in parts if not str(part.name).endswith("/")
    ]
    return Part(path, "".join([*lines, f"{path},,\n"]).encode())


def sha256(data: bytes) -> str:
    """As RECORD writes it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def parts_of(
    files: Mapping[str, bytes] | Sequence[Part], *, name: str = "demo", version: str = "1.0", entry_points: str = ""
) -> list[Part]:
    """All the members of a sound wheel that holds the files, RECORD last."""
    info = f"{name}-{version}.dist-info"
    parts = [Part(path, data) for path, data in files.items()] if isinstance(files, Mapping) else list(files)
    parts.append(Part(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()))
    parts.append(Part(f"{info}/WHEEL", WHEEL))
    if entry_points:
        parts.append(Part(f"{info}/entry_points.txt", entry_points.encode()))
    return [*parts, record(parts, f"{info}/RECORD")]


def changed(parts: Sequence[Part], name: str, **fields: object) -> list[Part]:
    """The parts, one of them changed; RECORD stays as it is."""
    return [replace(part, **fields) if part.name == name else part for part in parts]  # type: ignore[arg-type]


class Folder(NothingProven):
    """Wheels in a folder, and where layers find them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_digest: dict[str, Path] = {}

    def add(self, data: bytes, filename: str = "demo-1.0-py3-none-any.whl") -> LockedWheel:
        """A wheel of this name and these bytes."""
        digest = digest_of(data)
        path = self._path / digest.partition(":")[2]
        path.write_bytes(data)
        self._by_digest[digest] = path
        name, version = filename.split("-")[:2]
        return LockedWheel(name, version, InputFile(f"https://example.com/{filename}", digest, len(data)))

    def wheel(
        self,
        files: Mapping[str, bytes] | Sequence[Part],
        *,
        name: str = "demo",
        version: str = "1.0",
        entry_points: str = "",
    ) -> LockedWheel:
        """A sound wheel that holds the files."""
        parts = parts_of(files, name=name, version=version, entry_points=entry_points)
        return self.add(zipped(parts), f"{name}-{version}-py3-none-any.whl")

    def path(self, file: InputFile) -> Path:
        """As `imagewright.layer.planned.Inputs` asks for it."""
        return self._by_digest[file.digest]


def _deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()
