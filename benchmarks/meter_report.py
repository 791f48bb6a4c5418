"""The figures as a table for a reader."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meter import Traffic, Usage
from workloads import Workload


@dataclass(slots=True)
class Measured:
    """All figures of one workload. Seconds and bytes; a round is at the same place in ``ours`` and ``theirs``."""

    our_traffic: Traffic
    their_traffic: Traffic
    ours: list[Usage] = field(default_factory=list)
    theirs: list[Usage] = field(default_factory=list)
    our_memory: int = 0
    their_memory: int = 0
    without_bytecode: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    others: dict[str, list[Usage]] = field(default_factory=dict)
    least: list[float] = field(default_factory=list)
    unproven: list[Usage] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return self.ratio_to(self.theirs)

    def ratio_to(self, theirs: Sequence[Usage]) -> float:
        """The same for another peer."""
        return statistics.median(their.wall / our.wall for our, their in zip(self.ours, theirs, strict=False))

    @property
    def ratio_to_least(self) -> float:
        """How many times the least ours takes: the median of the rounds' ratios, 0 where no least was measured."""
        if not self.least:
            return 0.0
        return statistics.median(our.wall / least for our, least in zip(self.ours, self.least, strict=False))


INCLUDES = """\
Each side is a whole process, from its start until the tag is in the registry. Ours: `imagewright build`, with interpreter, imports,
resolve, layers, push. The peer: `docker build --push` of the Dockerfile that flytekit's default builder writes, without flytekit's
own start; it compiles bytecode, as flytekit's Dockerfile asks, and ours does not. W4's Dockerfile is `apt-get update` and `install`
with cache mounts for lists and packages, for docker and for buildah. "Up" is what is new in the registry afterwards.
In W6 both sides have no cache (the peer keeps its base image), and the registry has W1 of the same side.
Wheels were downloaded and made into layers before, so ours has held them against their RECORD; "no layer was made of before" is without that.
"The least" is every wheel inflated and hashed once, and its bytes sent once, by the same libraries on all processors (`floor.py`), without the start of Python.
Memory is the peak of all processes of a side together (the peer's daemon and containers included), sampled in a run of its own."""


def table(
    measured: Mapping[str, Measured], workloads: Mapping[str, Workload], facts: Mapping[str, object], rounds: int
) -> str:
    """Markdown: one line for each workload, then ours in parts."""
    lines = [
        f"# imagewright build against {facts.get('peer', 'nobody')}",
        "",
        _where(facts, rounds),
        "",
        INCLUDES,
        "",
        "| work | ours | peer | ratio | target | up, ours | up, peer | requests | peak memory | peer, no bytecode |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in measured.items():
        workload = workloads.get(name)
        title = workload.title if workload else "the image is there"
        target = f"{workload.target:g}x" if workload else "< 0.3 s"
        lines.append(
            f"| {name} {title} | {_times(one.ours)} | {_times(one.theirs)} | {one.ratio:.1f}x | {target} "
            f"| {_size(one.our_traffic.stored)} | {_size(one.their_traffic.stored)} "
            f"| {_requests(one.our_traffic)} / {_requests(one.their_traffic)} "
            f"| {_size(one.our_memory or _memory(one.ours))} / {_size(one.their_memory or _memory(one.theirs))} "
            f"| {f'{one.without_bytecode:.1f} s' if one.without_bytecode else ''} |"
            if one.theirs
            else f"| {name} {title} | {_times(one.ours)} | | | {target} | {_size(one.our_traffic.stored)} | "
            f"| {_requests(one.our_traffic)} | {_size(one.our_memory or _memory(one.ours))} | |"
        )
    for name, one in measured.items():
        lines += [
            f"| {name} by {other} | | {_times(usages)} | {one.ratio_to(usages):.1f}x | | | | | | |"
            for other, usages in one.others.items()
        ]
    lines += [
        f"| {name}, the least that has to be done | {statistics.median(one.least):.2f} s "
        f"({min(one.least):.2f}-{max(one.least):.2f}) | | ours is {one.ratio_to_least:.2f}x | 1.5x | | | | | |"
        for name, one in measured.items()
        if one.least
    ]
    lines += [
        f"| {name}, wheels that no layer was made of before | {_times(one.unproven)} | | | | | | | | |"
        for name, one in measured.items()
        if one.unproven
    ]
    lines += ["", "Ours in parts (one run, seconds):", ""]
    for name, one in measured.items():
        parts = "; ".join(f"{part} {value:.3f}" for part, value in one.parts.items() if isinstance(value, float))
        lines.append(f"- {name}: {parts}; processor time {statistics.median(u.cpu for u in one.ours):.2f}")
    return "\n".join(lines)


def _where(facts: Mapping[str, object], rounds: int) -> str:
    return (
        f"{facts['cores']} cores ({facts['processor']}), Linux {facts['kernel']}, Python {facts['python']}; "
        f"load {facts['load_before']:.1f} before, {facts['load_after']:.1f} after; {rounds} interleaved rounds, medians."
    )


def _times(usages: Sequence[Usage]) -> str:
    walls = sorted(usage.wall for usage in usages)
    return f"{statistics.median(walls):.2f} s ({walls[0]:.2f}-{walls[-1]:.2f})" if walls else ""


def _memory(usages: Sequence[Usage]) -> int:
    return max((usage.memory for usage in usages), default=0)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _requests(traffic: Traffic) -> str:
    detail = ", ".join(f"{count} {method}" for method, count in sorted(traffic.requests.items()))
    return f"{traffic.total} ({detail})" if detail else "0"
