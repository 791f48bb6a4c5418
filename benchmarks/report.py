"""From the newest figures in ``results/`` to the pictures and tables of README.md and docs: no figure there is written by hand.

    .venv/bin/python benchmarks/report.py [--results FOLDER]

What it writes stands between ``<!-- report.py: NAME -->`` and ``<!-- end -->``; pictures go to ``docs/pictures/``.
"""

import argparse
import json
import re
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ours import HERE
from pictures import Bar, Line, Row, bars, growth, seconds, times

ROOT = HERE.parent
PICTURES = ROOT / "docs/pictures"

# What each workload is called: in a picture (two lines), and in a table.
TITLES = {
    "W0": ("nothing changed", "the image is there", "nothing: the image is there"),
    "W1": (
        "a new image of wheels",
        "numpy, pandas, sklearn, pyarrow",
        "a new image: numpy, pandas, scikit-learn, pyarrow",
    ),
    "W2": ("one more package", "a small one, after that image", "one small package more"),
    "W3": ("one source file", "of 20, same packages", "one source file of 20"),
    "W4": ("Debian packages", "git, build-essential by apt", "a new image: git and build-essential by apt"),
    "W5": ("torch for CPUs", "a new image", "a new image: torch for CPUs"),
    "W6": (
        "a new machine",
        "empty caches, layers in registry",
        "a new machine with empty caches, layers in the registry",
    ),
}
LINES = (
    ("ours", "new", "all new"),
    ("more", "one more", "one more"),
    ("nothing", "nothing", "nothing new"),
    ("least", "least", "least"),
)

Figures = dict[str, Any]


def newest(kind: str, results: Path) -> Figures | None:
    """The newest figures of a benchmark, or None when it has not run."""
    found = sorted(results.glob(f"*-{kind}.json"))
    return json.loads(found[-1].read_bytes()) if found else None


class Workload:
    """The figures of one workload, as JSON has them."""

    def __init__(self, name: str, figures: Figures) -> None:
        self.name, self._figures = name, figures
        self.picture_title, self.picture_subtitle, self.title = TITLES[name]

    def wall(self, side: str) -> float:
        """The median, or 0 when that side was not measured."""
        return _median([one["wall"] for one in self._side(side)])

    @property
    def cpu(self) -> float:
        """Ours: processor seconds."""
        return _median([one["cpu"] for one in self._side("ours")])

    def ratio(self, side: str) -> float:
        """How many times ours it takes: the median of the rounds' ratios."""
        pairs = zip(self._side("ours"), self._side(side), strict=False)
        return _median([theirs["wall"] / ours["wall"] for ours, theirs in pairs])

    @property
    def least(self) -> tuple[float, float]:
        """The seconds of the least that has to be done, and how many times it ours takes."""
        least = self._figures.get("least", [])
        ratios = [ours["wall"] / floor for ours, floor in zip(self._side("ours"), least, strict=False)]
        return _median(least), _median(ratios)

    @property
    def unproven(self) -> float:
        """Our seconds where no layer was made of its wheels before, or 0."""
        return _median([one["wall"] for one in self._figures.get("unproven", [])])

    @property
    def others(self) -> list[str]:
        """Further sides."""
        return list(self._figures["others"])

    def sent(self, side: str) -> str:
        """``126 MB``, ``10 kB``, ``nothing``."""
        size = self._figures["our_traffic" if side == "ours" else "their_traffic"]["stored"]
        return "nothing" if size < 5000 else f"{size / 1e3:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.0f} MB"

    @property
    def requests(self) -> int:
        """Ours."""
        return sum(self._figures["our_traffic"]["requests"].values())

    def memory(self, side: str) -> float:
        """The peak, in MB."""
        measured = self._figures["our_memory" if side == "ours" else "their_memory"]
        return (measured or max((one["memory"] for one in self._side(side)), default=0)) / 1e6

    @property
    def without_bytecode(self) -> float:
        """The peer's seconds where it compiles none, or 0."""
        return float(self._figures["without_bytecode"])

    def _side(self, side: str) -> list[Mapping[str, float]]:
        found = self._figures[side] if side in ("ours", "theirs") else self._figures["others"].get(side, [])
        return list(found)


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def build_picture(workloads: Sequence[Workload], peer: str) -> str:
    """Ours beside the others, as bars."""
    rows, others = [], {}
    for one in workloads:
        sides = [Bar("ours", one.wall("ours")), Bar("docker", one.wall("theirs"), one.ratio("theirs"))]
        for other in one.others:
            others[other] = ("buildah", other)
            sides.append(Bar("buildah", one.wall(other), one.ratio(other)))
        rows.append(Row(one.picture_title, one.picture_subtitle, tuple(bar for bar in sides if bar.seconds)))
    return bars("Build and push, in seconds", [("ours", "imagewright"), ("docker", peer), *others.values()], rows)


def short_table(workloads: Sequence[Workload]) -> list[str]:
    """For the README."""
    lines = ["| what changed | imagewright | Docker | |", "|---|---|---|---|"]
    for one in workloads:
        ours, theirs = seconds(one.wall("ours")), seconds(one.wall("theirs"))
        if one.requests == 1:
            ours += ", one request"
        if one.name == "W6":
            ours, theirs = f"{ours}, {one.sent('ours')} sent", f"{theirs}, {one.sent('theirs')} sent"
        lines.append(f"| {one.title} | {ours} | {theirs} | {times(one.ratio('theirs'))} |")
    return lines


def long_table(workloads: Sequence[Workload]) -> list[str]:
    """For the page on performance."""
    lines = [
        "| work | imagewright | Docker | ratio | Docker without bytecode | requests | sent, both | peak memory, both | processor time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in workloads:
        others = "".join(f" ({name} {seconds(one.wall(name))})" for name in one.others)
        ratios = "".join(f" ({times(one.ratio(name))})" for name in one.others)
        plain = seconds(one.without_bytecode) if one.without_bytecode else ""
        lines.append(
            f"| {one.title} | {seconds(one.wall('ours'))} | {seconds(one.wall('theirs'))}{others} "
            f"| {times(one.ratio('theirs'))}{ratios} | {plain} | {one.requests} "
            f"| {one.sent('ours')} / {one.sent('theirs')} | {one.memory('ours'):.0f} / {one.memory('theirs'):.0f} MB | {one.cpu:.2f} s |"
        )
    floors = [
        f"{one.title.removeprefix('a new image: ')}: {seconds(one.least[0])}, and imagewright takes {one.least[1]:.2f} times that"
        + (f" ({seconds(one.unproven)} where no layer was made of them before)" if one.unproven else "")
        for one in workloads
        if one.least[0]
    ]
    if floors:
        lines += [
            "",
            f"The least that has to be done for these wheels, measured in the same rounds: {'; '.join(floors)}.",
        ]
    return lines


def where(figures: Figures, rounds: int) -> str:
    """Which machine it was."""
    machine = figures["machine"]
    return (
        f"Medians of {rounds} rounds on {machine['cores']} cores ({machine['processor']}), Python {machine['python']}; "
        f"load {machine['load_before']:.1f} before, {machine['load_after']:.1f} after."
    )


def growth_picture(figures: Figures) -> str:
    """Lines by the number of packages, and bars for the large wheels."""
    sets = figures["sets"]
    small = [one for one in sets if not _is_large(one)]
    (large,) = [one for one in sets if _is_large(one)] or [None]
    lines = [
        Line(
            kind,
            title,
            tuple((one["packages"], _median(one["seconds"][step])) for one in small),
            _median(large["seconds"][step]) if large else None,
        )
        for kind, step, title in LINES
    ]
    title = f"{large['packages']} wheels, {large['bytes'] / 1e9:.1f} GB" if large else ""
    return growth("Build and push, in seconds, by number of packages", title, lines)


def _is_large(one: Figures) -> bool:
    return "large" in one["title"]


def growth_table(figures: Figures) -> list[str]:
    """For the page on performance."""
    lines = [
        "| wheels | bytes | all new | least | ratio | one package more | sent for it | nothing new | requests: new, one more, nothing |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in figures["sets"]:
        took = {step: _median(values) for step, values in one["seconds"].items()}
        ratio = _median([a / b for a, b in zip(one["seconds"]["new"], one["seconds"]["least"], strict=True)])
        asked = ", ".join(str(one["requests"][step]) for step in ("new", "one more", "nothing"))
        lines.append(
            f"| {one['title']} | {one['bytes'] / 1e6:.0f} MB | {seconds(took['new'])} | {seconds(took['least'])} | {ratio:.2f} "
            f"| {seconds(took['one more'])} | {one['stored']['one more'] / 1e6:.1f} MB | {seconds(took['nothing'])} | {asked} |"
        )
    most = max((one for one in figures["sets"] if not _is_large(one)), key=lambda one: one["packages"])
    unchanged = dict(most["unchanged"])
    whole = unchanged.pop("all")
    parts = ", ".join(f"{name} {value:.3f}" for name, value in unchanged.items())
    text = f"A build of {most['packages']} packages that changes nothing takes {whole:.3f} s: {parts}."
    return [*lines, "", text]


def write(page: Path, parts: Mapping[str, Sequence[str]]) -> None:
    """Put each part where the page has its marks."""
    text = page.read_text()
    for name, lines in parts.items():
        marks = re.compile(rf"(<!-- report\.py: {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        body: Callable[[re.Match[str]], str] = lambda found, lines=lines: f"{found[1]}{chr(10).join(lines)}{found[2]}"  # noqa: E731
        text, count = marks.subn(body, text)
        if count != 1:
            raise SystemExit(f"{page}: {count} places for {name}")
    page.write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the figures")
    results: Path = parser.parse_args().results
    PICTURES.mkdir(exist_ok=True)
    readme: dict[str, list[str]] = {}
    page: dict[str, list[str]] = {}
    if build := newest("build", results):
        workloads = [
            Workload(name, figures) for name, figures in sorted(build["measured"].items()) if figures["theirs"]
        ]
        rounds = max((len(one["ours"]) for name, one in build["measured"].items() if name != "W0"), default=1)
        peer = str(build["machine"]["peer"])
        docker = "Docker " + peer.rpartition(" ")[2].partition("+")[0]
        (PICTURES / "build.svg").write_text(build_picture(workloads, docker))
        readme["speed"] = short_table(workloads)
        page["build"] = [*long_table(workloads), "", f"{where(build, rounds)} The peer is {peer}."]
    if grown := newest("growth", results):
        (PICTURES / "growth.svg").write_text(growth_picture(grown))
        page["growth"] = [*growth_table(grown), "", where(grown, grown["rounds"])]
    write(ROOT / "README.md", readme)
    write(ROOT / "docs/concepts/performance.md", page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
