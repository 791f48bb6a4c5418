"""Hostile and broken wheels, one for each way that we know. Each is sound but for the one thing that it is named for."""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.packages.pypi.wheels import UTF8, Ending, Part, changed, parts_of, record, zipped

INFO = "demo-1.0.dist-info"
RECORD = f"{INFO}/RECORD"
NOISE = hashlib.shake_256(b"noise").digest(90_000)


@dataclass(frozen=True)
class Hostile:
    """A wheel that must be refused, and a part of the reason that must be given."""

    name: str
    data: bytes
    reason: str
    filename: str = "demo-1.0-py3-none-any.whl"


def corpus() -> Iterator[Hostile]:
    """All of them."""
    yield from _names()
    yield from _kinds()
    yield from _headers()
    yield from _framing()
    yield from _streams()
    yield from _wheels()
    yield from _records()
    yield from _installed()


def _with(*parts: Part, reordered: bool = False) -> bytes:
    """A wheel with these members, RECORD listing them."""
    members = parts_of([Part("demo/__init__.py", b"x = 1\n"), *parts])
    return zipped(members[::-1] if reordered else members)


def _names() -> Iterator[Hostile]:
    plain = "not a plain relative path"
    control = "backslash or a control character"
    for name, path, reason in (
        ("parent", "../evil.py", plain),
        ("parent inside", "demo/../../evil.py", plain),
        ("parent at the end", "demo/..", plain),
        ("absolute", "/etc/passwd", plain),
        ("two slashes", "demo//evil.py", plain),
        ("dot", "./evil.py", plain),
        ("dot inside", "demo/./evil.py", plain),
        ("drive", "C:/evil.py", plain),
        ("drive without a slash", "c:evil.py", plain),
        ("backslash", "demo\\evil.py", control),
        ("parent with backslashes", "..\\..\\evil.py", control),
        ("NUL", "demo/evil.py\0.txt", control),
        ("line feed", "demo/ev\nil.py", control),
        ("escape sequence", "demo/\x1b[2Jevil.py", control),
        ("C1 control", "demo/\x9bevil.py", control),
        ("long component", f"demo/{'x' * 256}", "longer than"),
        ("long path", "/".join(["x" * 200] * 20), "longer than"),
        ("no name", "", plain),
    ):
        yield Hostile(f"name: {name}", _with(Part(path, b"x")), reason)
    yield Hostile("name: not UTF-8", zipped([Part(b"\xff\xfe.py", flags=UTF8), *parts_of({})]), "not UTF-8")
    yield Hostile("name: UTF-8 that is not marked", zipped([Part("\u00e9.py", flags=0), *parts_of({})]), "not UTF-8")
    yield Hostile("name: overlong UTF-8", zipped([Part(b"\xc0\xae\xc0\xae/x", flags=UTF8), *parts_of({})]), "not UTF-8")
    twice = Part("demo/__init__.py", b"other")
    yield Hostile("name: twice", _with(twice), "there twice")
    yield Hostile("name: twice, as a directory", _with(Part("demo/__init__.py/", mode=0o40755)), "there twice")
    yield Hostile("name: file and directory", _with(Part("demo/__init__.py/x", b"x")), "is a directory as well")
    yield Hostile(
        "name: file and directory, other order", _with(Part("demo", b"x"), reordered=True), "directory as well"
    )


def _kinds() -> Iterator[Hostile]:
    for name, mode in (
        ("symbolic link", 0o120777),
        ("character device", 0o020666),
        ("block device", 0o060666),
        ("fifo", 0o010666),
        ("socket", 0o140666),
        ("directory without its slash", 0o040755),
    ):
        yield Hostile(f"kind: {name}", _with(Part("demo/evil", b"/etc/passwd", mode=mode)), "a link, a device")
    yield Hostile("kind: directory with content", _with(Part("demo/d/", b"x", mode=0o40755)), "directory has content")
    yield Hostile("kind: directory that is a link", _with(Part("demo/d/", mode=0o120777)), "directory has content")


def _headers() -> Iterator[Hostile]:
    for name, flags in (("encrypted", 1), ("strongly encrypted", 0x41), ("masked", 0x2000)):
        yield Hostile(f"header: {name}", _with(Part("demo/evil.py", b"x", flags=flags)), "encrypted")
    yield Hostile("header: unknown flag", _with(Part("demo/evil.py", b"x", flags=0x20)), "flags that nobody")
    for method in (1, 9, 12, 14, 93, 95):
        part = Part("demo/evil.py", b"x", method=method)
        yield Hostile(f"header: method {method}", _with(part), f"by method {method}")
    evil = Part("demo/evil.py", b"harmless\n")
    other = "another name than the directory"
    yield Hostile("local: name", _with(_local(evil, name=b"demo/good.py")), other)
    yield Hostile("local: shorter name", _with(_local(evil, name=b"demo/evil")), other)
    yield Hostile("local: signature", _with(_local(evil, signature=b"PK\3\5")), other)
    yield Hostile("local: method", _with(_local(evil, method=0)), "another method")
    yield Hostile("local: flags", _with(_local(evil, flags=2)), "other flags")
    for field in ("crc", "size", "compressed"):
        yield Hostile(f"local: {field}", _with(_local(evil, **{field: 3})), "other sizes or another CRC")
    yield Hostile("stored with two sizes", _with(Part("demo/x", b"1234", method=0, size=3)), "two sizes")
    unicode_path = b"\x01" + bytes(4) + b"demo/other.py"
    yield Hostile("extra: second name", _with(Part("demo/x", b"x", extra=_extra(0x7075, unicode_path))), "second name")
    yield Hostile("extra: malformed", _with(Part("demo/x", b"x", extra=b"\x01\x00\xff\x00")), "malformed")
    yield Hostile("extra: cut", _with(Part("demo/x", b"x", extra=b"UT\x01")), "malformed")
    twice = _extra(0x9999, b"a") + _extra(0x9999, b"b")
    yield Hostile("extra: twice", _with(Part("demo/x", b"x", extra=twice)), "there twice")
    long = _extra(0x0001, struct.pack("<QQ", 5, 5))
    yield Hostile("extra: zip64 sizes differ", _with(Part("demo/x", b"x", extra=long)), "zip64 extra field says other")
    yield Hostile("extra: zip64 missing", _with(Part("demo/x", b"x", size=0xFFFFFFFF)), "sizes without saying them")
    descriptor = struct.pack("<4s3L", b"PK\7\x08", 1, 2, 3)
    lying = Part("demo/x", b"x", flags=8, after=descriptor)
    yield Hostile("descriptor: lies", _with(lying), "data descriptor says other")
    yield Hostile("descriptor: missing", _with(Part("demo/x", b"x", flags=8)), "belong to none")
    yield Hostile("descriptor: of odd size", _with(Part("demo/x", b"x", flags=8, after=bytes(13))), "belong to none")


def _framing() -> Iterator[Hostile]:
    parts = parts_of({"demo/__init__.py": b"x = 1\n"})
    sound = zipped(parts)
    other = zipped(parts_of({"demo/__init__.py": b"evil\n"}))
    yield Hostile("frame: empty file", b"", "no zip archive")
    yield Hostile("frame: text", b"not a wheel at all\n" * 10, "no zip archive")
    yield Hostile("frame: cut at the end", sound[:-1], "no zip archive")
    yield Hostile("frame: cut in the middle", sound[: len(sound) // 2], "no zip archive")
    yield Hostile("frame: no members", zipped([]), "is empty")
    yield Hostile("frame: bytes before", b"#!/bin/sh\n" + sound, "not where it says")
    moved = [parts[0], *parts[1:]]
    moved[0] = Part("demo/__init__.py", b"x = 1\n", before=b"#!/bin/sh\n")
    yield Hostile("frame: bytes before, with offsets that fit", zipped(moved), "before its first member")
    yield Hostile("frame: bytes after", zipped(parts, Ending(after=b"tail")), "after its end")
    yield Hostile("frame: second archive behind", sound + other, "not where it says")
    yield Hostile("frame: second archive in the comment", zipped(parts, Ending(comment=other)), "not where it says")
    yield Hostile(
        "frame: end record in the comment", zipped(parts, Ending(comment=b"PK\5\6" + bytes(18))), "not where it says"
    )
    yield Hostile("frame: header in the comment", zipped(parts, Ending(comment=b"PK\1\2")), "comment looks like")
    gap = [parts[0], Part("demo/y", b"y", before=b"hidden"), *parts[1:]]
    yield Hostile("frame: gap between members", zipped(gap), "belong to none")
    hidden = zipped(parts, Ending(before_directory=b"hidden"))
    yield Hostile("frame: gap before the directory", hidden, "belong to none")
    yield Hostile("frame: gap behind the directory", zipped(parts, Ending(before_end=b"hidden")), "not where it says")
    yield Hostile("frame: fewer members than it says", zipped(parts, Ending(count=9)), "fewer entries")
    yield Hostile("frame: more members than it says", zipped(parts, Ending(count=2)), "more entries")
    yield Hostile("frame: several disks", zipped(parts, Ending(disk=1)), "part of several")
    yield Hostile("frame: directory elsewhere", zipped(parts, Ending(start=3)), "not where it says")
    yield Hostile("frame: zip64 without records", zipped(parts, Ending(count=0xFFFF)), "sizes without saying them")
    yield Hostile("frame: zip64 count differs", zipped(parts, Ending(zip64={"count": 3})), "say different things")
    yield Hostile("frame: zip64 start differs", zipped(parts, Ending(zip64={"start": 3})), "say different things")
    yield Hostile(
        "frame: zip64 record elsewhere", zipped(parts, Ending(zip64={"at": 3})), "zip64 records are not where"
    )
    overlapping = Part("demo/x", b"x" * 50, method=0, size=5000, compressed_size=5000)
    yield Hostile("frame: members overlap", zipped([overlapping, *parts]), "overlap")


def _streams() -> Iterator[Hostile]:
    for name, data in (("large", NOISE), ("small", b"small " * 30)):
        parts = parts_of({"demo/x": data})
        stream = _stream(data)
        for what, fields, reason in (
            ("wrong CRC", {"crc32": 7}, "CRC-32"),
            ("more than it declares", {"size": len(data) - 1}, "RECORD is wrong"),
            ("cut", {"stream": stream[:-3]}, "ends early"),
            ("bytes after it", {"stream": stream + b"tail"}, "after the end"),
            ("no deflate", {"stream": b"\xff" * 100}, "cannot be decompressed"),
        ):
            yield Hostile(f"stream: {name}, {what}", zipped(changed(parts, "demo/x", **fields)), reason)
        lying = changed(parts, "demo/x", size=len(data) - 1)
        agreeing = changed(lying, RECORD, data=parts[-1].data.replace(b",%d\n" % len(data), b",\n"))
        yield Hostile(f"stream: {name}, more than it and RECORD declare", zipped(agreeing), "more than the")
    bomb = bytes(80 << 20)
    yield Hostile("stream: bomb", _with(Part("demo/x", bomb)), "would unpack to")
    yield Hostile("stream: impossible ratio", _with(Part("demo/x", b"x", size=1 << 20)), "larger than deflate")
    half = Part("demo/x", bytes(1000), size=900)
    yield Hostile("stream: bomb that declares less", zipped([half, *parts_of({})]), "RECORD is wrong")


def _wheels() -> Iterator[Hostile]:
    parts = parts_of({"demo/x.py": b"x"})
    for name in ("METADATA", "WHEEL", "RECORD"):
        left = [part for part in parts if part.name != f"{INFO}/{name}"]
        yield Hostile(f"wheel: no {name}", zipped(left), f"it has no {name}")
    other = [*parts[:-1], Part("other-1.0.dist-info/METADATA", b"Name: other\n")]
    yield Hostile("wheel: two dist-info folders", zipped([*other, record(other, RECORD)]), "2 dist-info folders")
    yield Hostile("wheel: no dist-info folder", zipped([Part("demo/x.py", b"x")]), "0 dist-info folders")
    yield Hostile("wheel: dist-info of another name", zipped(parts_of({}, name="other")), "another distribution's")
    yield Hostile("wheel: dist-info of another version", zipped(parts_of({}, version="1.1")), "another distribution's")
    yield Hostile("wheel: dist-info without a version", zipped(parts_of({}, version="x.y")), "another distribution's")
    yield Hostile("wheel: file name", zipped(parts), "its name is not a wheel's", "demo-1.0.whl")
    for version in (b"2.0", b"", b"nonsense"):
        text = b"Wheel-Version: " + version + b"\n"
        yield Hostile(
            f"wheel: format {version.decode()!r}", zipped(changed(parts, f"{INFO}/WHEEL", data=text)), "wheel format"
        )
    for folder, reason in (
        ("other-1.0.data/scripts", "not its own"),
        ("demo-1.0.data/unknown", "no scheme"),
        ("demo-1.0.data", "no scheme"),
    ):
        yield Hostile(f"wheel: data in {folder}", _with(Part(f"{folder}/x", b"x")), reason)


def _records() -> Iterator[Hostile]:
    parts = parts_of({"demo/x.py": b"x = 1\n"})
    text = parts[-1].data.decode()
    line, rest = text.split("\n", 1)
    path, digest, size = line.split(",")
    for name, lines, reason in (
        ("file that is not listed", rest, "does not list a file"),
        ("file that is not there", f"demo/y.py,{digest},6\n{text}", "not there"),
        ("file listed twice", f"{line}\n{text}", "lists a file twice"),
        ("wrong digest", f"{path},sha256={'A' * 43},{size}\n{rest}", "sha256 is not the one"),
        ("no digest", f"{path},,{size}\n{rest}", "no digest"),
        ("md5", f"{path},md5=1B2M2Y8AsgTpgAmY7PhCfg,{size}\n{rest}", "digest by md5"),
        ("sha1", f"{path},sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk,{size}\n{rest}", "digest by sha1"),
        ("digest of another length", f"{path},sha256=AAAA,{size}\n{rest}", "not sha256's"),
        ("digest that is no base64", f"{path},sha256={'!' * 43},{size}\n{rest}", "not sha256's"),
        ("wrong size", f"{path},{digest},7\n{rest}", "has 6 bytes"),
        ("size that is no number", f"{path},{digest},six\n{rest}", "has 6 bytes"),
        ("two fields", f"{path},{digest}\n{rest}", "2 fields"),
        ("path spelled otherwise", f"./{path},{digest},{size}\n{rest}", "not there"),
        ("digest of itself", text.replace(f"{RECORD},,", f"{RECORD},{digest},"), "of itself"),
    ):
        yield Hostile(f"record: {name}", zipped(changed(parts, RECORD, data=lines.encode())), reason)
    yield Hostile("record: not UTF-8", zipped(changed(parts, RECORD, data=b"\xff\n")), "cannot be read")


def _installed() -> Iterator[Hostile]:
    for name, declared, reason in (
        ("path", "../../evil = demo:main", "no command can be called"),
        ("absolute path", "/bin/sh = demo:main", "no command can be called"),
        ("interpreter", "python = demo:main", "no command can be called"),
        ("interpreter with a version", "python3.11 = demo:main", "no command can be called"),
        ("option", "-rf = demo:main", "no command can be called"),
        ("no name", "= demo:main", "no command can be called"),
        ("space", "a b = demo:main", "no command can be called"),
        ("code in the module", "evil = os;import sys:main", "no module:function"),
        ("code in the function", "evil = demo:main();x", "no module:function"),
        ("no function", "evil = demo", "no module:function"),
        ("line end", "evil = demo:main\\n", "no module:function"),
        ("twice", "evil = demo:main\nevil = demo:other", "declared twice"),
    ):
        parts = parts_of({"demo/x.py": b"x"}, entry_points=f"[console_scripts]\n{declared}\n")
        yield Hostile(f"command: {name}", zipped(parts), reason)
    latin = changed(parts_of({}, entry_points="x"), f"{INFO}/entry_points.txt", data=b"[x]\n\xff")
    yield Hostile("command: not UTF-8", zipped([*latin[:-1], record(latin[:-1], RECORD)]), "entry points are wrong")
    for path, reason in (
        ("data/bin/python", "environment itself"),
        ("scripts/python3.11", "environment itself"),
        ("data/pyvenv.cfg", "environment itself"),
        ("data/bin", "environment itself"),
        ("data/lib", "others below that"),
        ("purelib/demo/__init__.py", "two of its files"),
        (f"platlib/{INFO}/INSTALLER", "two of its files"),
    ):
        yield Hostile(f"place: {path}", _with(Part(f"demo-1.0.data/{path}", b"x")), reason)


def _local(part: Part, **fields: int | bytes) -> Part:
    return Part(part.name, part.data, local=fields)


def _extra(key: int, data: bytes) -> bytes:
    return struct.pack("<HH", key, len(data)) + data


def _stream(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()
