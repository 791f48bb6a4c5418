"""How a build grows: 10, 50 and 200 packages, and wheels of a gigabyte, beside the least that has to be done for them.

    .venv/bin/python benchmarks/growth.py [--rounds 3] [--sizes 10,50,200]

It needs docker-registry, downloads some 700 MB of wheels once, and writes a table and a picture to ``results/``.
"""

import argparse
import compileall
import os
import shutil
import statistics
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from growth_picture import picture
from meter import Registry, run

import imagewright
from build import HERE, Ours, say

PORT = 5979
PACKAGES = (HERE / "growth_packages.txt").read_text().split()
ADDED = "tqdm==4.67.1"
LARGE = (
    "torch==2.13.0",
    "xgboost==3.1.1",
    "catboost==1.2.8",
    "pyarrow==22.0.0",
    "scipy==1.17.1",
    "opencv-python-headless==4.12.0.88",
    "polars==1.35.1",
)
NO_DEPENDENCIES = "--no-deps"


@dataclass(slots=True)
class Grown:
    """What was measured of one set of packages: seconds of each round, bytes, requests."""

    name: str
    packages: tuple[str, ...]
    wheels: list[Path] = field(default_factory=list)
    new: list[float] = field(default_factory=list)
    one_more: list[float] = field(default_factory=list)
    nothing: list[float] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all wheels."""
        return sum(wheel.stat().st_size for wheel in self.wheels)


class Growth:
    """Our side, with a cache and a registry that are put back before each run."""

    def __init__(self, work: Path, wheels: Path | None) -> None:
        self.registry = Registry(work / "registry", PORT)
        self.ours = Ours(work / "ours", self.registry.place, wheels)

    def write(self, packages: Sequence[str]) -> Path:
        """The file that declares the image."""
        return self.ours.write("growth", {"packages": list(packages), "pip_extra_args": NO_DEPENDENCIES})

    def environ(self) -> dict[str, str]:
        """The environment, with the wheels of this machine."""
        return self.ours.environ() | ({"PIP_FIND_LINKS": str(self.ours.wheels)} if self.ours.wheels else {})

    def prepare(self, grown: Grown) -> None:
        """Download all wheels, and find out which files they are."""
        file = self.write((*grown.packages, ADDED))
        run(self.ours.command(file, "local"), environ=self.environ())
        file = self.write(grown.packages)
        run([*self.ours.command(file)[:1], "lock", str(file), "--quiet"], environ=self.environ())
        (lock,) = (file.parent / "imagewright.lock").glob("*.toml")
        grown.wheels = [
            self._file(wheel) for package in tomllib.loads(lock.read_text())["packages"] for wheel in package["wheels"]
        ]
        shutil.rmtree(lock.parent)
        self.ours.put_back("base")

    def _file(self, wheel: dict[str, object]) -> Path:
        url = str(wheel.get("url", ""))
        if url.startswith("file:"):
            return Path(url.removeprefix("file://"))
        hashes = wheel["hashes"]
        assert isinstance(hashes, dict)
        return self.ours.cache / "files" / "sha256" / str(hashes["sha256"])

    def round(self, grown: Grown) -> None:
        """All new; one package more; nothing new; and the least."""
        self.ours.put_back("base")
        self.registry.put_back("base")
        for name, packages, seconds in (
            ("new", grown.packages, grown.new),
            ("one more", (*grown.packages, ADDED), grown.one_more),
            ("nothing", (*grown.packages, ADDED), grown.nothing),
        ):
            os.sync()
            with self.registry.count() as counted:
                seconds.append(run(self.ours.command(self.write(packages)), environ=self.environ()).wall)
            grown.requests[name], grown.stored[name] = counted[0].total, counted[0].stored
        self.registry.put_back("base")
        os.sync()
        command = [sys.executable, str(HERE / "floor.py"), self.registry.place, *map(str, grown.wheels)]
        grown.least.append(float(run(command, environ=os.environ).output))


def table(sets: Sequence[Grown], rounds: int) -> str:
    """Markdown."""
    lines = [
        "# How a build grows",
        "",
        f"{len(os.sched_getaffinity(0))} cores, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; {rounds} rounds, medians. Wheels downloaded before, no layer there.",
        '"Least" is every file inflated and hashed once and every byte sent once, by the same libraries on all processors (`floor.py`), without the start of Python.',
        "",
        "| wheels | bytes | all new | least | ratio | one more | nothing new | requests: new, one more, nothing | up: new, one more |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in sets:
        new, least = statistics.median(one.new), statistics.median(one.least)
        lines.append(
            f"| {one.name} | {one.size / 1e6:.0f} MB | {new:.2f} s | {least:.2f} s | {new / least:.2f} "
            f"| {statistics.median(one.one_more):.2f} s | {statistics.median(one.nothing):.2f} s "
            f"| {one.requests['new']}, {one.requests['one more']}, {one.requests['nothing']} "
            f"| {one.stored['new'] / 1e6:.0f}, {one.stored['one more'] / 1e6:.1f} MB |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")], default=[10, 50, 200])
    parser.add_argument("--no-large", action="store_true", help="leave the gigabyte out")
    parser.add_argument("--work", type=Path, default=HERE.parent / ".benchmarks", help="folder for all that is made")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the figures")
    arguments = parser.parse_args()
    from imagewright.packages.pypi.indexes_pip import pip_config_files, read_pip_settings

    pip = read_pip_settings(os.environ, pip_config_files(os.environ, prefix=Path(sys.prefix)))
    wheels = next((Path(place) for place in pip.find_links if Path(place).is_dir()), None)
    compileall.compile_dir(str(Path(imagewright.__path__[0])), quiet=2)
    sets = [Grown(f"{size} packages", tuple(PACKAGES[:size])) for size in arguments.sizes]
    if not arguments.no_large:
        sets.append(Grown("large ones", LARGE))
    growth = Growth(arguments.work.absolute(), wheels)
    with growth.registry.serve():
        shutil.rmtree(growth.ours.cache, ignore_errors=True)
        growth.ours.share_downloads()
        run(growth.ours.command(growth.ours.write("base", {})), environ=growth.environ())
        growth.ours.keep("base")
        growth.registry.keep("base")
        for one in sets:
            say(f"downloading {one.name}")
            growth.prepare(one)
        for number in range(1, arguments.rounds + 1):
            for one in sets:
                say(f"round {number} of {arguments.rounds}: {one.name}")
                growth.round(one)
    text = table(sets, arguments.rounds)
    print(text)
    arguments.results.mkdir(parents=True, exist_ok=True)
    name = arguments.results / f"{date.today().isoformat()}-growth"
    name.with_suffix(".md").write_text(text + "\n")
    points = [
        (
            len(one.packages),
            statistics.median(one.new),
            statistics.median(one.one_more),
            statistics.median(one.nothing),
            statistics.median(one.least),
        )
        for one in sets
        if one.packages != LARGE
    ]
    name.with_suffix(".svg").write_text(picture(points))
    return 0


if __name__ == "__main__":
    sys.exit(main())
