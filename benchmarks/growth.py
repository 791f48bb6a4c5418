"""How a build grows: 10, 50 and 200 packages, and wheels of a gigabyte, beside the least that has to be done for them.

    .venv/bin/python benchmarks/growth.py [--rounds 3] [--sizes 10,50,200] [--no-large]

It needs docker-registry, downloads some 1.7 GB of wheels once, takes about 5 minutes then, and writes all figures to ``results/``.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from meter import Registry, run
from ours import HERE, Ours, compile_ourselves, least, local_wheels, machine, say

METER = HERE / "meter.py"
PACKAGES = (HERE / "growth_packages.txt").read_text().split()
ADDED = "tqdm==4.67.1"
LARGE = (
    "torch==2.13.0",
    "tensorflow-cpu==2.21.0",
    "xgboost==3.1.1",
    "catboost==1.2.8",
    "pyarrow==22.0.0",
    "scipy==1.17.1",
    "opencv-python-headless==4.12.0.88",
    "polars-runtime-32==1.35.1",
    "vtk==9.7.2",
    "ray==2.60.0",
)
NO_DEPENDENCIES = "--no-deps"
STEPS = ("new", "one more", "nothing")
UNCHANGED_RUNS = 11


@dataclass(slots=True)
class Grown:
    """What was measured of one set of packages: seconds and processor seconds of each round by step, bytes, requests."""

    title: str
    packages: tuple[str, ...]
    wheels: list[Path] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    cpu: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    least: list[float] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    unchanged: dict[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """All of it, for a file."""
        return {
            "title": self.title,
            "packages": len(self.packages),
            "bytes": sum(wheel.stat().st_size for wheel in self.wheels),
            "seconds": {**self.seconds, "least": self.least},
            "cpu": self.cpu,
            "requests": self.requests,
            "stored": self.stored,
            "unchanged": self.unchanged,
        }


class Growth:
    """Our side, with a cache and a registry that are put back before each run."""

    def __init__(self, work: Path, wheels: Path | None) -> None:
        self.registry = Registry(work / "registry")
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
        grown.wheels = self.ours.wheels_of(self.write(grown.packages), self.environ())
        self.ours.put_back("base")

    def round(self, grown: Grown) -> None:
        """All new; one package more; nothing new; and the least."""
        self.ours.put_back("base")
        self.registry.put_back("base")
        for step, packages in zip(STEPS, (grown.packages, *[(*grown.packages, ADDED)] * 2), strict=True):
            os.sync()
            with self.registry.count() as counted:
                used = run(self.ours.command(self.write(packages)), environ=self.environ())
            grown.seconds[step].append(used.wall)
            grown.cpu[step].append(used.cpu)
            grown.requests[step], grown.stored[step] = counted[0].total, counted[0].stored
        if not grown.unchanged:
            grown.unchanged = self.take_apart(self.write((*grown.packages, ADDED)))
        self.registry.put_back("base")
        grown.least.append(least(self.registry.place, grown.wheels))

    def take_apart(self, file: Path) -> dict[str, float]:
        """What a build that changes nothing is made of, in seconds: medians of several."""
        command = [sys.executable, str(METER), str(file), f"{self.registry.place}/ours", str(self.ours.cache)]
        parts = [json.loads(run(command, environ=self.environ()).output) for _ in range(UNCHANGED_RUNS)]
        bare = [run([sys.executable, "-c", "pass"], environ=self.environ()).wall for _ in range(UNCHANGED_RUNS)]
        whole = [run(self.ours.command(file), environ=self.environ()).wall for _ in range(UNCHANGED_RUNS)]
        found = {name: median([one[name] for one in parts]) for name in ("imports", "read file")}
        ended = median([one["all but the interpreter"] for one in parts])
        return {
            "all": median(whole),
            "interpreter": median(bare),
            "imports": found["imports"],
            "the user's file": found["read file"],
            "the spec's digest, settings, one request": ended - sum(found.values()),
            "the command line, its settings, and the end": median(whole) - median(bare) - ended,
        }


def median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def table(sets: Sequence[Grown], facts: dict[str, object], rounds: int) -> str:
    """Markdown."""
    lines = [
        "# How a build grows",
        "",
        f"{facts['cores']} cores ({facts['processor']}), Python {facts['python']}; load {facts['load_before']:.1f} before, {facts['load_after']:.1f} after; {rounds} rounds, medians. Wheels downloaded before, no layer there.",
        '"Least" is every file inflated and hashed once and every byte sent once, by the same libraries on all processors (`floor.py`), without the start of Python.',
        "",
        "| wheels | bytes | all new | least | ratio | one more | nothing new | requests: new, one more, nothing | up: new, one more |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in sets:
        new, floor = one.seconds["new"], one.least
        ratio = median([ours / theirs for ours, theirs in zip(new, floor, strict=True)])
        lines.append(
            f"| {one.title} | {sum(wheel.stat().st_size for wheel in one.wheels) / 1e6:.0f} MB "
            f"| {median(new):.2f} s | {median(floor):.2f} s | {ratio:.2f} "
            f"| {median(one.seconds['one more']):.2f} s | {median(one.seconds['nothing']):.2f} s "
            f"| {one.requests['new']}, {one.requests['one more']}, {one.requests['nothing']} "
            f"| {one.stored['new'] / 1e6:.0f}, {one.stored['one more'] / 1e6:.1f} MB |"
        )
    lines += ["", "A build that changes nothing, in parts (seconds, medians):", ""]
    lines += [
        f"- {one.title}: {'; '.join(f'{part} {value:.3f}' for part, value in one.unchanged.items())}; "
        f"processor time {median(one.cpu['nothing']):.2f}"
        for one in sets
    ]
    return "\n".join(lines)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that the registry ends as well
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")], default=[10, 50, 200])
    parser.add_argument("--no-large", action="store_true", help="leave the gigabyte out")
    parser.add_argument("--work", type=Path, default=HERE.parent / ".benchmarks", help="folder for all that is made")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the figures")
    arguments = parser.parse_args()
    sets = [Grown(f"{size} packages", tuple(PACKAGES[:size])) for size in arguments.sizes]
    if not arguments.no_large:
        sets.append(Grown(f"{len(LARGE)} large ones", LARGE))
    compile_ourselves()
    growth = Growth(arguments.work.absolute() / "growth", local_wheels())
    with growth.registry.serve():
        shutil.rmtree(growth.ours.cache, ignore_errors=True)
        growth.ours.share_downloads()
        run(growth.ours.command(growth.ours.write("base", {})), environ=growth.environ())
        growth.ours.keep("base")
        growth.registry.keep("base")
        for one in sets:
            say(f"downloading {one.title}")
            growth.prepare(one)
        facts = machine()
        for number in range(1, arguments.rounds + 1):
            for one in sets:
                say(f"round {number} of {arguments.rounds}: {one.title}")
                growth.round(one)
    facts["load_after"] = os.getloadavg()[0]
    text = table(sets, facts, arguments.rounds)
    print(text)
    arguments.results.mkdir(parents=True, exist_ok=True)
    name = arguments.results / f"{date.today().isoformat()}-growth"
    name.with_suffix(".md").write_text(text + "\n")
    raw = {"machine": facts, "rounds": arguments.rounds, "sets": [one.document() for one in sets]}
    name.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
