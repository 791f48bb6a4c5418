"""The packages of an archive: its index, kept in a form that answers for one name without reading it all."""

import errno
import lzma
import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, LockError
from imagewright.oci.digest import Digest, digest_of, hex_of
from imagewright.packages.deb.control import fields
from imagewright.packages.deb.relation import Alternatives, Relation, relations
from imagewright.packages.deb.release import Archive, ReleaseFile
from imagewright.packages.deb.version import version_key
from imagewright.transport import AnswerError

MAX_INDEX_BYTES = 1 << 29  # testing's is 60 MB
_FORMAT = 1
_RANKS = {"required": 1, "important": 2, "standard": 3, "optional": 4, "extra": 5}


@dataclass(frozen=True)
class Package:
    """One package of an index. ``filename`` is a path in its ``archive``; fields that are not used are left out."""

    archive: str
    said: dict[str, str]

    @cached_property
    def name(self) -> str:
        """Its name."""
        return self.said["Package"]

    @cached_property
    def version(self) -> str:
        """Its version."""
        return self.said["Version"]

    @cached_property
    def rank(self) -> int:
        """Its priority: the lower, the more it is wanted. Essential packages come before all others."""
        return 0 if self.said.get("Essential") == "yes" else _RANKS.get(self.said.get("Priority", ""), 6)

    @cached_property
    def depends(self) -> tuple[Alternatives, ...]:
        """What has to be there as well, before it or with it."""
        return relations(self.said.get("Pre-Depends", "")) + relations(self.said.get("Depends", ""))

    @cached_property
    def provides(self) -> tuple[Relation, ...]:
        """The names that it answers to besides its own, with a version where it says one."""
        return tuple(group[0] for group in relations(self.said.get("Provides", "")))

    @cached_property
    def conflicts(self) -> tuple[Relation, ...]:
        """What must not be there with it."""
        return tuple(group[0] for key in ("Conflicts", "Breaks") for group in relations(self.said.get(key, "")))

    def answers(self, relation: Relation) -> bool:
        """Whether it is what ``relation`` means, by its name or by what it provides.

        Source: Debian Policy 4.6.2, section 7.5: a limit on the version is only met by a versioned Provides.
        """
        if relation.name == self.name:
            return relation.allows(self.version)
        return any(
            provided.name == relation.name
            and (not relation.operator or (provided.operator == "=" and relation.allows(provided.version)))
            for provided in self.provides
        )


class DamagedIndex(IntegrityError):
    """The file of an `Index` cannot be read. It was removed, so that the next `index_path` makes it anew."""


class Index:
    """The packages of one suite and architecture, on disk. For one thread.

    Its methods raise `DamagedIndex`.
    """

    def __init__(self, archive: str, path: Path, suite: str = "") -> None:
        self.suite = suite
        self._archive = archive
        self._path = path
        self._database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)

    def close(self) -> None:
        """Close its file."""
        self._database.close()

    def find(self, name: str) -> list[Package]:
        """The packages of that name, in no order."""
        return self._read("SELECT stanza FROM package WHERE name = ?", (name,))

    def providers(self, name: str) -> list[Package]:
        """The packages that provide that name."""
        return self._read("SELECT stanza FROM package JOIN provided USING (number) WHERE provided.name = ?", (name,))

    def names(self) -> list[str]:
        """The names of all packages, in no order."""
        return [name for (name,) in self._database.execute("SELECT DISTINCT name FROM package")]

    def essential(self) -> list[Package]:
        """The packages that every system has."""
        return self._read("SELECT stanza FROM package WHERE essential", ())

    def _read(self, query: str, values: tuple[str, ...]) -> list[Package]:
        try:
            stanzas = [stanza.decode() for (stanza,) in self._database.execute(query, values)]
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._path.unlink(missing_ok=True)
            raise DamagedIndex(
                f"the index of Debian packages {self._path.name} in the cache is damaged",
                why=str(error),
                kept="it was removed, and is made anew the next time",
                fix="run the same command again, without --offline",
            ) from error
        return [Package(self._archive, fields(stanza)) for stanza in stanzas]


class Universe:
    """The packages of several suites together: of each name, the highest version is the one to install.

    ``pins`` are names for which it is another one. ``others`` are suites whose packages are taken only where a pin names
    their version, as apt takes backports.
    """

    def __init__(
        self, indexes: Sequence[Index], pins: Mapping[str, str] | None = None, others: Sequence[Index] = ()
    ) -> None:
        self._indexes = indexes
        self._others = others
        self._pins = pins or {}
        self._candidates: dict[str, Package | None] = {}
        self._providers: dict[str, tuple[Package, ...]] = {}

    def pinned(self, pins: Mapping[str, str]) -> "Universe":
        """The same packages, where these names have no other version than this one."""
        return Universe(self._indexes, pins, self._others)

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that were read."""
        return tuple(index.suite for index in (*self._indexes, *self._others))

    def of_suite(self, suite: str, name: str) -> Package | None:
        """The highest version of a package that one suite has."""
        found = [
            package for index in (*self._indexes, *self._others) if index.suite == suite for package in index.find(name)
        ]
        return max(found, key=lambda package: version_key(package.version), default=None)

    def versions(self, name: str) -> list[Package]:
        """All packages of that name, in no order."""
        return [package for index in (*self._indexes, *self._others) for package in index.find(name)]

    def names(self) -> list[str]:
        """The names of all packages, sorted."""
        return sorted({name for index in self._indexes for name in index.names()})

    def candidate(self, name: str) -> Package | None:
        """The package of that name, or None."""
        if name not in self._candidates:
            wanted = self._pins.get(name)
            if wanted is None:
                found = [package for index in self._indexes for package in index.find(name)]
            else:
                found = [package for package in self.versions(name) if package.version == wanted]
            self._candidates[name] = max(found, key=lambda package: version_key(package.version), default=None)
        return self._candidates[name]

    def providers(self, name: str) -> tuple[Package, ...]:
        """The packages that provide ``name``, those that are wanted more first."""
        if name not in self._providers:
            indexes = (*self._indexes, *self._others)
            names = {package.name for index in indexes for package in index.providers(name)} - {name}
            candidates = [package for package in map(self.candidate, names) if package]
            able = [package for package in candidates if any(said.name == name for said in package.provides)]
            self._providers[name] = tuple(sorted(able, key=lambda package: (package.rank, package.name)))
        return self._providers[name]

    def essential(self) -> tuple[Package, ...]:
        """The packages that every system has, by name."""
        names = {package.name for index in self._indexes for package in index.essential()}
        candidates = [package for package in map(self.candidate, sorted(names)) if package]
        return tuple(package for package in candidates if package.rank == 0)


def index_path(place: Archive, release: ReleaseFile, architecture: str) -> Path:
    """The file that `Index` reads, made from the archive's own index if it is not there yet.

    Costs a download of about 9 MB and a second the first time, and nothing after that.

    Raises:
        LockError: The suite has no packages for the architecture (IW206), or it is not in the cache offline (IW205).
        IntegrityError: The index is not what the signed release file says.
    """
    if architecture not in release.packages:
        raise LockError(f"Debian's {release.suite} has no packages for {architecture}", code="IW206")
    digest, size = release.packages[architecture]
    stem = f"{release.archive}-{release.suite.replace('/', '-')}-{architecture}-"
    path = place.cache / f"{stem}{hex_of(digest)[:32]}-{_FORMAT}.sqlite"
    if not path.exists():
        if place.offline:
            raise LockError(f"the index of Debian's {release.suite} is not in the cache", code="IW205")
        _build(path, _unpack(_fetch(place, release, architecture, digest, size), release))
        for older in place.cache.glob(f"{stem}*.sqlite"):
            if older != path:
                older.unlink(missing_ok=True)  # whoever has it open goes on reading it
    return path


def _fetch(place: Archive, release: ReleaseFile, architecture: str, digest: Digest, size: int) -> bytes:
    folder = f"deb:{release.archive}/dists/{release.suite}/main/binary-{architecture}"
    names = [f"by-hash/SHA256/{hex_of(digest)}"] if release.by_hash else []
    for name in (*names, "Packages.xz"):
        url = place.mirrors.url(f"{folder}/{name}")
        try:
            data = place.transport.request("GET", url, limit=size).body
        except AnswerError as error:
            if error.response.status == 404 and name != "Packages.xz":
                continue  # a mirror that does not carry the by-hash folders
            raise
        break
    if len(data) != size or digest_of(data) != digest:
        raise IntegrityError(
            f"the package index of Debian's {release.suite} is not the one that its release file names",
            why=f"wanted {digest} of {size} bytes, got {digest_of(data)} of {len(data)}",
            fix="try again in a few minutes: the mirror may be in the middle of an update",
        )
    return data


def _unpack(data: bytes, release: ReleaseFile) -> bytes:
    text = lzma.LZMADecompressor(memlimit=1 << 28).decompress(data, MAX_INDEX_BYTES)
    if len(text) >= MAX_INDEX_BYTES:
        raise IntegrityError(f"the package index of Debian's {release.suite} is over {MAX_INDEX_BYTES} bytes")
    return text


def _build(path: Path, text: bytes) -> None:
    """Write the file that `Index` reads. Stanzas stay as they are: only those that are asked for are ever parsed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.unlink(missing_ok=True)
    packages: list[tuple[int, str, bool, bytes]] = []
    provided: list[tuple[str, int]] = []
    for number, stanza in enumerate(text.split(b"\n\n")):
        name = _field(stanza, b"Package")
        if not name:
            continue
        packages.append((number, name, b"\nEssential: yes" in stanza, stanza))
        provided += [(group[0].name, number) for group in relations(_field(stanza, b"Provides"))]
    database = sqlite3.connect(temporary)
    try:
        database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE package (number INTEGER PRIMARY KEY, name TEXT, essential INTEGER, stanza BLOB);"
            "CREATE TABLE provided (name TEXT, number INTEGER);"
        )
        database.executemany("INSERT INTO package VALUES (?, ?, ?, ?)", packages)
        database.executemany("INSERT INTO provided VALUES (?, ?)", provided)
        database.executescript(
            "CREATE INDEX by_name ON package (name); CREATE INDEX by_provided ON provided (name);"
            "CREATE INDEX by_essential ON package (essential) WHERE essential;"
        )
        database.commit()
        database.close()
        temporary.replace(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    finally:
        database.close()
        temporary.unlink(missing_ok=True)


def _field(stanza: bytes, name: bytes) -> str:
    key = name + b": "
    start = 0 if stanza.startswith(key) else stanza.find(b"\n" + key) + 1
    if not start and not stanza.startswith(key):
        return ""
    start += len(key)
    end = stanza.find(b"\n", start)
    return stanza[start : end if end >= 0 else len(stanza)].decode()
