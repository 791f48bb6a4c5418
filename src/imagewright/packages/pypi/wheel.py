"""A wheel that is open: its distribution's folders are known, and its RECORD lists exactly what is in it."""

import binascii
import csv
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from imagewright.dataclass import dataclass
from imagewright.packages.pypi.members import read_members
from imagewright.packages.pypi.members_archive import Archive, Member, RefusedArchive, open_archive
from imagewright.packages.pypi.record_digests import decode_all

Recorded = tuple[str, bytes]
"""A hashlib algorithm and the digest of a file's content."""

RULES = "wheel-1"
"""The name of all rules for a wheel. Count it up when one is added: what was found to keep the others is then looked at again."""

_DIGEST_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64, "sha3_256": 32, "sha3_384": 48, "sha3_512": 64} | {
    "blake2b": 64,
    "blake2s": 32,
}
_URLSAFE = bytes.maketrans(b"-_+/", b"+/!!")
_WHEEL_VERSION = re.compile(r"1\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel whose structure holds. ``recorded`` has every file but RECORD and its signatures."""

    archive: Archive
    distribution: str
    dist_info: str
    data: str
    members: tuple[Member, ...]
    recorded: dict[str, Recorded]

    def read(self, name: str) -> bytes | None:
        """The content of a file of the dist-info folder, or None when there is none of that name."""
        path = f"{self.dist_info}/{name}"
        member = next((member for member in self.members if member.name == path), None)
        return None if member is None else self.archive.read(member, self.recorded.get(path))


@contextmanager
def open_wheel(path: Path, filename: str, *, allow_bad_record: bool = False) -> Iterator[Wheel]:
    """The wheel at ``path``; ``filename`` is the one of its index, with distribution, version and tags.

    Source: binary distribution format (wheel) 1.0, "File contents"; "Recording installed projects", "The RECORD file".
    The format says that an installer must fail when RECORD is wrong, and none does unless told. ``allow_bad_record``
    is the way out for one package: RECORD is then not believed, and every file is hashed once more.

    Raises:
        RefusedArchive: IW303: a rule of the archive or of the wheel is broken.
    """
    with open_archive(path, filename) as archive:
        members = tuple(read_members(archive))
        by_name = {member.name: member for member in members}
        distribution, dist_info = folders(archive, {name.partition("/")[0] for name in by_name if "/" in name})
        wheel = Wheel(archive, distribution, dist_info, dist_info.removesuffix(".dist-info") + ".data", members, {})
        _check_metadata(archive, dist_info, by_name)
        if allow_bad_record:
            recorded = {
                member.name: ("sha256", hashlib.sha256(archive.read(member, limit=member.size)).digest())
                for member in members
                if member.name not in _records(dist_info)
            }
        else:
            recorded = _read_record(archive, dist_info, by_name)
        yield Wheel(wheel.archive, distribution, dist_info, wheel.data, members, recorded)


def folders(archive: Archive, top: set[str]) -> tuple[str, str]:
    """The distribution's name as the file's name spells it, and its dist-info folder, one of the ``top`` folders."""
    try:
        name, version, _, _ = parse_wheel_filename(archive.filename)
    except InvalidWheelFilename as error:
        raise archive.refused(f"its name is not a wheel's ({error})") from error
    found = [folder for folder in top if folder.endswith(".dist-info")]
    if len(found) != 1:
        raise archive.refused(f"it has {len(found)} dist-info folders, and a wheel has one")
    prefix = found[0].removesuffix(".dist-info")
    own_name, _, own_version = prefix.rpartition("-")
    try:
        same = canonicalize_name(own_name) == name and Version(own_version) == version
    except InvalidVersion:
        same = False
    if not same:
        raise archive.refused(f"its dist-info folder is another distribution's: {found[0]}")
    strange = sorted(folder for folder in top if folder.endswith(".data") and folder != prefix + ".data")
    if strange:
        raise archive.refused("it has a data folder that is not its own", strange[0])
    return archive.filename.partition("-")[0], found[0]


def _check_metadata(archive: Archive, dist_info: str, members: dict[str, Member]) -> None:
    for name in ("METADATA", "WHEEL", "RECORD"):
        if f"{dist_info}/{name}" not in members:
            raise archive.refused(f"it has no {name}")
    text = archive.read(members[f"{dist_info}/WHEEL"], limit=1 << 20).decode("utf-8", "replace")
    version = HeaderParser().parsestr(text, headersonly=True).get("Wheel-Version", "").strip()
    if not _WHEEL_VERSION.fullmatch(version):
        raise archive.refused(f"it is of wheel format {version or 'unknown'}, and only 1.x is known")


def _records(dist_info: str) -> frozenset[str]:
    """The files that cannot be in RECORD with a digest: itself and its signatures."""
    return frozenset(f"{dist_info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s"))


def _read_record(archive: Archive, dist_info: str, members: dict[str, Member]) -> dict[str, Recorded]:
    """What RECORD says of every member, once it was found to list each of them, once, and nothing else."""
    path = f"{dist_info}/RECORD"
    try:
        rows = list(csv.reader(archive.read(members[path]).decode("utf-8").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad_record(archive, f"it cannot be read ({error})") from error
    unrecorded = _records(dist_info)
    if (usual := _usual_record(rows, members, unrecorded)) is not None:
        return usual
    recorded: dict[str, Recorded] = {}
    listed: set[str] = set()
    for row in rows:
        if len(row) != 3:
            raise _bad_record(archive, f"a line has {len(row)} fields, not 3", row[0] if row else "")
        name, digest, size = row
        member = members.get(name)
        if name in listed or member is None:
            raise _bad_record(
                archive, "it lists a file twice" if name in listed else "it lists a file that is not there", name
            )
        listed.add(name)
        if name in unrecorded:
            if digest and name == path:
                raise _bad_record(archive, "it has a digest of itself", name)
            continue
        if size and size != str(member.size):
            raise _bad_record(archive, f"a file has {member.size} bytes, and it says {size}", name)
        recorded[name] = _digest(archive, name, digest)
    forgotten = members.keys() - listed - unrecorded
    if forgotten:
        raise _bad_record(archive, "it does not list a file", min(forgotten))
    return recorded


def _usual_record(
    rows: list[list[str]], members: dict[str, Member], unrecorded: frozenset[str]
) -> dict[str, Recorded] | None:
    """What a RECORD says that breaks no rule and has all by sha256, as nearly all do; None when each line has to be looked at."""
    if not all(len(row) == 3 for row in rows):
        return None
    listed = [row for row in rows if row[0] not in unrecorded]
    names = [row[0] for row in listed]
    if len({row[0] for row in rows}) != len(rows) or members.keys() - unrecorded != set(names):
        return None
    if any(row[1] or row[0] not in members for row in rows if row[0] in unrecorded):
        return None
    if any(size != str(members[name].size) for name, _, size in listed):
        return None
    digests = decode_all([row[1] for row in listed])
    return None if digests is None else {name: ("sha256", digest) for name, digest in zip(names, digests, strict=True)}


def _digest(archive: Archive, name: str, text: str) -> Recorded:
    algorithm, _, encoded = text.partition("=")
    size = _DIGEST_SIZES.get(algorithm)
    if size is None:
        raise _bad_record(archive, f"a file has {'no digest' if not text else f'a digest by {algorithm}'}", name)
    try:
        # Half the time of base64.urlsafe_b64decode, which does not refuse characters that are not its own.
        padded = encoded.encode("ascii").translate(_URLSAFE) + b"=" * (-len(encoded) % 4)
        digest = binascii.a2b_base64(padded, strict_mode=True)
    except ValueError:  # binascii's and encode's are both
        digest = b""
    if len(digest) != size:
        raise _bad_record(archive, f"a digest is not {algorithm}'s", name)
    return algorithm, digest


def _bad_record(archive: Archive, rule: str, member: str = "") -> RefusedArchive:
    name = canonicalize_name(archive.filename.partition("-")[0])
    return RefusedArchive(
        archive.filename,
        f"its RECORD is wrong: {rule}",
        member,
        fix=f'if you trust it all the same: builder_options={{"allow_bad_record": ["{name}"]}}',
    )
