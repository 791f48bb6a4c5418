"""The default base beside mmdebstrap: seconds cold and warm, and sizes, in one run. Needs root and a Debian mirror.

    python benchmarks/base.py [3.11 ...]

Cold: nothing is cached, downloads included. Warm: indexes and packages are on disk. mmdebstrap runs the packages'
scripts and compiles byte code; ours does neither.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from imagewright.layer.planned import InputFile, NothingProven
from imagewright.oci.digest import digest_of, hex_of
from imagewright.oci.platform import Platform
from imagewright.packages.deb.base import plan_base
from imagewright.packages.deb.mirror import apt_sources, mirrors_of
from imagewright.packages.deb.release import Archive
from imagewright.packages.deb.releases import COMMON, release_for
from imagewright.packages.deb.resolve import resolve_base
from imagewright.packages.deb.signature import DEFAULT_KEYRING
from imagewright.parallel import run_all
from imagewright.transport import Transport


class Downloads(NothingProven):
    """Packages in a folder, by digest."""

    def __init__(self, place: Archive, folder: Path) -> None:
        self._place, self._folder = place, folder

    def path(self, file: InputFile) -> Path:
        """The file, downloaded when it is not there."""
        path = self._folder / hex_of(file.digest)
        if not path.exists():
            data = self._place.transport.request("GET", self._place.mirrors.url(file.url)).body
            if digest_of(data) != file.digest:
                raise SystemExit(f"{file.url} is not what the index says")
            path.write_bytes(data)
        return path


def ours(python: str, place: Archive, folder: Path, out: Path) -> float:
    start = time.perf_counter()
    (layer,) = plan_base(resolve_base(python, Platform("linux", "amd64"), place)).layers
    downloads = Downloads(place, folder)
    run_all(downloads.path, layer.inputs, jobs=8)
    with out.open("wb") as file:
        layer.write(downloads, file)
    return time.perf_counter() - start


def mmdebstrap(python: str, place: Archive, out: Path) -> float:
    release = release_for(python)
    lines = [
        f"deb {place.mirrors.url('deb:debian/')} {release.codename} main",
        f"deb {place.mirrors.url('deb:debian-security/')} {release.codename}-security main",
    ]
    packages = ",".join([*release.first, *COMMON, *release.extra])
    start = time.perf_counter()
    subprocess.run(
        [
            *(
                "mmdebstrap",
                "--variant=minbase",
                f"--include={packages}",
                '--aptopt=Acquire::Check-Valid-Until "false"',
            ),
            *(release.codename, str(out), *lines),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
        timeout=900,
    )
    return time.perf_counter() - start


def main(pythons: list[str]) -> None:
    print("python  cold s  warm s  compressed MB  mmdebstrap s  its .tar.gz MB")
    with Transport() as transport, tempfile.TemporaryDirectory() as name:
        for python in pythons:
            folder = Path(name) / python
            (folder / "debs").mkdir(parents=True)
            place = Archive(mirrors_of(apt_sources(Path("/etc/apt"))), transport, DEFAULT_KEYRING, folder / "index")
            cold, warm = (ours(python, place, folder / "debs", folder / "layer.tar.gz") for _ in range(2))
            peer = mmdebstrap(python, place, folder / "peer.tar.gz")
            sizes = [(folder / file).stat().st_size / 1e6 for file in ("layer.tar.gz", "peer.tar.gz")]
            print(f"{python:6}  {cold:6.1f}  {warm:6.1f}  {sizes[0]:13.1f}  {peer:12.1f}  {sizes[1]:15.1f}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["3.11", "3.13"])
