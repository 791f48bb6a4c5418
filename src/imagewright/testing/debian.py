"""Programs of Debian that this machine has not, or has in an older version, for tests and benchmarks: unpacked, not installed."""

import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imagewright.build.download import Downloads
from imagewright.errors import LockError
from imagewright.oci.digest import canonical_json, digest_of, hex_of
from imagewright.packages.deb.archive import members, open_deb
from imagewright.packages.deb.index import Index, index_path
from imagewright.packages.deb.locked import LockedDeb
from imagewright.packages.deb.mirror import DEBIAN, apt_sources, mirrors_of
from imagewright.packages.deb.release import Archive, release_file
from imagewright.packages.deb.resolve import locked
from imagewright.packages.deb.signature import DEFAULT_KEYRING
from imagewright.packages.deb.version import version_key
from imagewright.parallel import run_all
from imagewright.transport import Transport

SUITE = "sid"
"""The one that has everything that Debian has, in its newest version."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_WANTED = ("usr/bin/", "usr/sbin/", "usr/libexec/")


def programs(names: Sequence[str], folder: Path, *, suite: str = SUITE, apt: Path = Path("/etc/apt")) -> Path:
    """A folder with ``usr/bin``, ``usr/sbin`` and ``usr/libexec`` of these packages, without what they depend on.

    The archive is the one that this machine's own ``apt`` asks; its signature and the packages' digests are checked.
    ``folder`` keeps the index and the packages.

    Raises:
        LockError: No mirror is known, or it has no such suite or package.
        NetworkError: The mirror does not answer.
        IntegrityError: The signature or a digest is wrong.
    """
    with Transport() as transport:
        mirrors = mirrors_of(apt_sources(apt))
        place = Archive(mirrors, transport, DEFAULT_KEYRING, folder / "index")
        packages = _find(names, suite, place)
        digests = [package.file.digest for package in packages]
        root = folder / "programs" / hex_of(digest_of(canonical_json(digests)))[:16]
        if root.exists():
            return root
        downloads = Downloads(folder / "files", transport, locate=mirrors.url)
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent) as name:
            scratch = Path(name) / "root"
            scratch.mkdir()
            debs = run_all(lambda package: downloads.path(package.file), packages, jobs=4)
            for package, deb in zip(packages, debs, strict=True):
                _unpack(deb, package.name, scratch)
            if not root.exists():
                scratch.rename(root)
    return root


def _find(names: Sequence[str], suite: str, place: Archive) -> list[LockedDeb]:
    release = release_file(place, DEBIAN, suite, codename="", optional=True)
    architecture = ARCHITECTURES.get(platform.machine())
    if release is None or architecture is None:
        raise LockError(f"Debian's {suite} has nothing for {platform.machine()}")
    index = Index(DEBIAN, index_path(place, release, architecture), suite)
    try:
        found = {name: index.find(name) for name in names}
    finally:
        index.close()
    if absent := [name for name, versions in found.items() if not versions]:
        raise LockError(f"Debian's {suite} has no {', '.join(absent)}")
    return [locked(max(versions, key=lambda one: version_key(one.version))) for versions in found.values()]


def _unpack(deb: Path, name: str, root: Path) -> None:
    with open_deb(deb, name) as opened:
        for member in members(opened.data(), name):
            path = root / member.path
            if not member.path.startswith(_WANTED) or member.kind == "directory":
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.kind == "file":
                path.write_bytes(member.data)
                path.chmod(member.mode & 0o755)
            elif member.kind == "hardlink":
                os.link(root / member.link, path)
            elif "/" not in member.link:
                path.symlink_to(member.link)  # another name in the same folder


def path_with(root: Path) -> str:
    """A PATH on which the programs below ``root`` come first."""
    return os.pathsep.join([str(root / "usr/sbin"), str(root / "usr/bin"), os.environ.get("PATH", os.defpath)])
