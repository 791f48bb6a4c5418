"""The packages that we choose, beside those that apt chooses."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagewright.errors import ImagewrightError, LockError
from imagewright.packages.deb.index import Index, Universe, index_path
from imagewright.packages.deb.mirror import apt_sources, mirrors_of
from imagewright.packages.deb.release import Archive, release_file
from imagewright.packages.deb.releases import COMMON, release_named
from imagewright.packages.deb.signature import DEFAULT_KEYRING
from imagewright.packages.deb.solve import solve
from imagewright.transport import Transport

pytestmark = [pytest.mark.network, pytest.mark.tool]

# Up to 290 packages; with alternatives, virtual packages, and a conflict on the way. docs/decisions/0053 has the larger ones.
TARGETS = [["build-essential", "python3-dev", "git"], ["libgdal-dev"], ["libreoffice"], ["mail-transport-agent"]]


def place(folder: Path) -> Archive:
    named = os.environ.get("IMAGEWRIGHT_TEST_CACHE")
    try:
        mirrors = mirrors_of(apt_sources(Path("/etc/apt")))
    except ImagewrightError as error:
        pytest.skip(str(error))
    if not DEFAULT_KEYRING.exists():
        pytest.skip("debian-archive-keyring is not installed")
    return Archive(mirrors, Transport(), DEFAULT_KEYRING, (Path(named) / "deb" if named else folder) / "index")


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def suites(archive: Archive, release: str) -> list[tuple[str, str]]:
    return [("debian", release), ("debian", f"{release}-updates"), ("debian-security", f"{release}-security")]


def source_lines(archive: Archive, release: str) -> list[str]:
    return [f"deb {archive.mirrors.url(f'deb:{where}/')} {suite} main" for where, suite in suites(archive, release)]


@dataclass(frozen=True)
class Apt:
    """apt with a root of its own, in which nothing is installed."""

    folder: Path
    architecture: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        options = {
            "Dir": self.folder,
            "Dir::State::status": self.folder / "status",
            "Dir::Etc::trusted": DEFAULT_KEYRING,
            "APT::Architecture": self.architecture,
            "APT::Architectures::": self.architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Check-Valid-Until": "false",
            "Debug::NoLocking": "1",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        # Read before all else: what this machine has set up for itself has no say.
        alone = self.folder / "apt.conf"
        alone.write_text('Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null";')
        return subprocess.run(
            [program("apt-get"), *words, *command],
            env={**os.environ, "APT_CONFIG": str(alone)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def installs(self, names: list[str]) -> set[tuple[str, str]] | None:
        """Name and version of what apt would install, or None when it refuses."""
        done = self.run("-s", "-y", "--no-install-recommends", "install", *names)
        if done.returncode:
            return None
        return set(re.findall(r"^Inst (\S+) \((\S+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(("release", "architecture"), [("bookworm", "amd64"), ("trixie", "amd64")])
def test_the_closure_is_apt_s(tmp_path: Path, release: str, architecture: str) -> None:
    """Every target: the same packages in the same versions as ``apt-get install --no-install-recommends``."""
    archive = place(tmp_path)
    for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists", "var/cache/apt/archives"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "status").touch()
    (tmp_path / "etc/apt/sources.list").write_text("\n".join(source_lines(archive, release)) + "\n")
    apt = Apt(tmp_path, architecture)
    updated = apt.run("update", "-qq")
    assert updated.returncode == 0, updated.stderr
    indexes = []
    for where, suite in suites(archive, release):
        file = release_file(archive, where, suite, codename=release, optional=False)
        assert file is not None
        indexes.append(Index(where, index_path(archive, file, architecture)))
    archive.transport.close()
    universe = Universe(indexes)
    known = release_named(release)
    base = [*known.first, *(package.name for package in universe.essential()), *COMMON, *known.extra]

    for names in [base, *TARGETS]:
        try:
            ours = {(package.name, package.version) for package in solve(universe, names)}
        except LockError:
            ours = None
        theirs = apt.installs(names)

        assert (ours is None) == (theirs is None), names
        assert (ours or set()) ^ (theirs or set()) == set(), names
    for index in indexes:
        index.close()
