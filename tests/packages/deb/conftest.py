"""A Debian archive in memory, signed by a key of its own; and the real one, where this machine has it."""

import hashlib
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pysequoia
import pytest

from imagewright.errors import ImagewrightError
from imagewright.layer.planned import InputFile, NothingProven
from imagewright.oci.digest import digest_of, hex_of
from imagewright.oci.platform import Platform
from imagewright.packages.deb.base import Base, plan_base
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.deb.mirror import Mirrors, apt_sources, mirrors_of
from imagewright.packages.deb.release import Archive
from imagewright.packages.deb.resolve import resolve_base
from imagewright.packages.deb.signature import DEFAULT_KEYRING
from imagewright.parallel import run_all
from imagewright.transport import Timeouts, Transport

MIRRORS = Mirrors("http://mirror.example.com/debian", "http://mirror.example.com/debian-security")


@dataclass
class Page:
    """An answer of the fake archive."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        yield self.body

    def close(self) -> None:
        pass


@dataclass
class FakeArchive:
    """Suites of packages under `MIRRORS`; it counts what it is asked. ``folder`` holds its keyring."""

    folder: Path
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    time: float = 1_800_000_000.0

    def __post_init__(self) -> None:
        self._key = pysequoia.Tsk.generate(user_id="Archive <archive@example.com>")
        self.keyring.write_bytes(bytes(self._key.extract_certificate()))

    @property
    def keyring(self) -> Path:
        return self.folder / "keyring.gpg"

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
    ) -> Page:
        self.asked.append(url)
        return Page(200, self.pages[url]) if url in self.pages else Page(404)

    def close(self) -> None:
        pass

    def suite(self, suite: str, stanzas: str, *, origin: str = "Debian", codename: str = "", until: str = "") -> None:
        """Publish a suite for amd64 and arm64 with these packages."""
        archive = MIRRORS.security if suite.endswith("-security") else MIRRORS.debian
        data = lzma.compress(stanzas.strip().encode() + b"\n")
        lines = [f"Origin: {origin}", f"Codename: {codename or suite}", "Acquire-By-Hash: yes"]
        lines += [f"Valid-Until: {until}"] if until else []
        lines += ["SHA256:"]
        for architecture in ("amd64", "arm64"):
            lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-{architecture}/Packages.xz")
            self.pages[f"{archive}/dists/{suite}/main/binary-{architecture}/Packages.xz"] = data
        self.publish(f"{archive}/dists/{suite}/InRelease", "\n".join(lines) + "\n")

    def publish(self, url: str, text: str) -> None:
        """Put a signed text at an address."""
        self.pages[url] = bytes(pysequoia.sign(self._key.signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR))

    def place(self, *, offline: bool = False, upgrade: bool = False, keyring: Path | None = None) -> Archive:
        """What the functions under test are given."""
        return Archive(
            MIRRORS,
            Transport(sender=self, sleep=lambda seconds: None),
            keyring or self.keyring,
            self.folder / "index",
            offline=offline,
            upgrade=upgrade,
            now=lambda: self.time,
        )


def stanza(name: str, version: str = "1", **said: str) -> str:
    """A package of a fake index; names of fields have ``_`` for ``-``."""
    lines = [f"Package: {name}", f"Version: {version}", "Architecture: amd64"]
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in said.items()]
    digest = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    lines += [f"Filename: pool/main/{name}_{version}.deb", "Size: 1", f"SHA256: {digest}"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def archive(tmp_path: Path) -> FakeArchive:
    return FakeArchive(tmp_path)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Downloads of the session, or of all sessions when IMAGEWRIGHT_TEST_CACHE names a folder."""
    named = os.environ.get("IMAGEWRIGHT_TEST_CACHE")
    folder = Path(named) / "deb" if named else tmp_path_factory.mktemp("deb")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def debian(cache: Path) -> Iterator[Archive]:
    """The real archives, as this machine's apt is set up."""
    try:
        mirrors = mirrors_of(apt_sources(Path("/etc/apt")))
    except ImagewrightError as error:
        pytest.skip(str(error))
    if not DEFAULT_KEYRING.exists():
        pytest.skip("debian-archive-keyring is not installed")
    transport = Transport()
    yield Archive(mirrors, transport, DEFAULT_KEYRING, cache / "index")
    transport.close()


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """``program("dpkg")`` is its path; without it the test is skipped."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return find


class Downloads(NothingProven):
    """Inputs from the real archive, kept in a folder by digest."""

    def __init__(self, place: Archive, folder: Path) -> None:
        self._place, self._folder = place, folder

    def path(self, file: InputFile) -> Path:
        path = self._folder / f"{hex_of(file.digest)}.deb"
        if not path.exists():
            data = self._place.transport.request("GET", self._place.mirrors.url(file.url)).body
            assert digest_of(data) == file.digest
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".part")
            temporary.write_bytes(data)
            temporary.replace(path)
        return path


@pytest.fixture(scope="session")
def downloads(debian: Archive, cache: Path) -> Downloads:
    return Downloads(debian, cache / "files")


@dataclass(frozen=True)
class Assembled:
    """A base that was written: its layer's file, diff_id, and the tree that GNU tar unpacks from it."""

    locked: LockedBase
    base: Base
    layer: Path
    diff_id: str
    root: Path


Assemble = Callable[..., Assembled]


@pytest.fixture(scope="session")
def assemble(debian: Archive, downloads: Downloads, tmp_path_factory: pytest.TempPathFactory) -> Assemble:
    """``assemble("3.11")`` is the base of that Python, made once a session. Unpacked with owners only for root."""
    made: dict[tuple[str, str], Assembled] = {}

    def once(python: str, architecture: str = "amd64") -> Assembled:
        if (python, architecture) not in made:
            locked = resolve_base(python, Platform("linux", architecture), debian)
            base = plan_base(locked)
            folder = tmp_path_factory.mktemp(f"base-{python}-{architecture}")
            (layer,) = base.layers
            # Several at a time: the layer's own lanes would wait for the network.
            run_all(downloads.path, layer.inputs, jobs=8)
            with (folder / "layer.tar.gz").open("wb") as out:
                diff_id = layer.write(downloads, out)
            (folder / "root").mkdir()
            command = ["tar", "--numeric-owner", "-xpzf", str(folder / "layer.tar.gz"), "-C", str(folder / "root")]
            subprocess.run(command, check=True, timeout=120)
            made[python, architecture] = Assembled(locked, base, folder / "layer.tar.gz", diff_id, folder / "root")
        return made[python, architecture]

    return once
