"""How long a build and push takes, side by side with flytekit's Dockerfile on dockerd: one command, no argument needed.

    .venv/bin/python benchmarks/build.py [--rounds 3] [--only W1,W3] [--no-peer]

It needs root, docker-registry and Debian's docker.io (README.md). The table goes to stdout, and with all raw figures to
``results/``.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from meter import Registry, Traffic, Usage, read_through, run
from meter_report import Measured, table
from ours import HERE, Ours, compile_ourselves, least, local_wheels, machine, say
from peers import Buildah, Peer, peer, write_source
from workloads import WORKLOADS, Workload

from imagewright.testing.debian import SUITE

METER = HERE / "meter.py"
NO_OP_RUNS = 11


@dataclass(slots=True)
class Bench:
    """Both sides, prepared, and what was measured."""

    ours: Ours
    theirs: Peer | None
    registry: Registry
    buildah: Buildah | None = None
    measured: dict[str, Measured] = field(default_factory=dict)

    def prepare_ours(self, workloads: Sequence[Workload]) -> None:
        """Downloads and the base in the cache, the base in the registry; kept as "base"."""
        ours = self.ours
        shutil.rmtree(ours.cache, ignore_errors=True)
        ours.share_downloads()
        base = ours.write("base", {})
        run(ours.command(base), environ=ours.environ())
        if any(workload.debian for workload in workloads):
            # The peers have their base unpacked: so has ours, as on any machine on which a container ran.
            run(ours.command(ours.write("unpacked", {"commands": ["true"]}), "local"), environ=ours.environ())
        ours.keep("base")
        for workload in workloads:
            say(f"downloading what {workload.name} needs")
            file = ours.write(workload.name, workload.fields())
            run(ours.command(file, "local"), environ=ours.environ_for(workload))
        ours.put_back("base")

    def export_base(self, archive: Path) -> None:
        """The base as docker takes it."""
        program = str(Path(sys.executable).with_name("imagewright"))
        listed = run([program, "image", "list", "--output", "json"], environ=self.ours.environ()).output
        image = min(json.loads(listed)["images"], key=lambda image: image["layers"])
        run(
            [program, "image", "export", "--format", "docker-archive", image["name"], str(archive)],
            environ=self.ours.environ(),
        )

    def prepare_peer(self, workloads: Sequence[Workload]) -> None:
        """Every step of the Dockerfiles run once, so that their caches are warm, and the base in the registry."""
        assert self.theirs is not None
        name = f"{self.registry.place}/peer/bench:base"
        self.theirs.docker.call("tag", "imagewright-bench/base:1", name)
        self.theirs.docker.call("push", name)
        for workload in workloads:
            has_others = any(set(workload.packages) < set(other.packages) for other in workloads)
            if (workload.packages and has_others) or workload.copies_source:
                continue  # another one downloads all of it; W3's first state is built by `prepare_states`
            say(f"warming the peer's caches for {workload.name}")
            command = self.theirs.prepare(workload, self.ours.folder / "app")
            run([part for part in command if part != "--push"], environ=os.environ)
            self._prepare_buildah(workload)
        self.theirs.forget_images()

    def prepare_states(self, workloads: Sequence[Workload]) -> None:
        """What W2 and W3 start from: the images that were built before, in the caches and in the registry."""
        self.registry.keep("base")
        for name in sorted({workload.after for workload in workloads if workload.after} | {"W1"}):
            self.ours.put_back("W1" if name == "W3" and "W1" in WORKLOADS else "base")
            workload = WORKLOADS[name]
            file = self.ours.write(name, workload.fields())
            run(self.ours.command(file), environ=self.ours.environ_for(workload))
            if self.theirs is not None and workload.copies_source:
                run(self.theirs.prepare(workload, self.ours.folder / "app"), environ=os.environ)
                self._prepare_buildah(workload)
            self.ours.keep(name)
            self.registry.keep(name)

    def _prepare_buildah(self, workload: Workload) -> None:
        if self.buildah is not None and self.theirs is not None:
            source, name = self.ours.folder / "app", f"prepared-{workload.name.lower()}"
            run(self.buildah.prepare(workload, self.theirs, source, name), environ=os.environ)

    def round(self, workload: Workload, number: int) -> None:
        """One measurement of each side, the order turned with every round."""
        sides = [self._ours, self._theirs] if self.theirs is not None else [self._ours]
        if self.buildah is not None and not workload.empty:
            sides.append(self._buildah)
        write_source(self.ours.folder / "app", f"round {number}")
        for side in sides if number % 2 else reversed(sides):
            self.registry.put_back(workload.after or "base")
            side(workload)
        if workload.is_new:
            self.registry.put_back("base")
            file = self.ours.write(workload.name, workload.fields())
            wheels = self.ours.wheels_of(file, self.ours.environ_for(workload))
            self._of(workload.name).least.append(least(self.registry.place, wheels))

    def _ours(self, workload: Workload, watch: Sequence[int] | None = None) -> Usage:
        if workload.empty:
            shutil.rmtree(self.ours.cache, ignore_errors=True)
        else:
            self.ours.put_back(workload.after or "base")
        file = self.ours.write(workload.name, workload.fields())
        _settle(self.ours.caches)
        with self.registry.count() as counted:
            command, place = self.ours.command(file), file.parent
            usage = run(command, environ=self.ours.environ_for(workload), cwd=place, watch=watch)
        if watch is None:
            self._of(workload.name).ours.append(usage)
            self._of(workload.name).our_traffic = counted[0]
        return usage

    def _theirs(self, workload: Workload, watch: Sequence[int] | None = None) -> Usage:
        assert self.theirs is not None
        command = self.theirs.prepare(workload, self.ours.folder / "app")
        if workload.empty:
            self.theirs.forget_builds()
        _settle(self.theirs.caches)
        with self.registry.count() as counted:
            usage = run(command, environ=os.environ, watch=watch)
        if watch is None:
            self._of(workload.name).theirs.append(usage)
            self._of(workload.name).their_traffic = counted[0]
        return usage

    def _buildah(self, workload: Workload) -> None:
        assert self.buildah is not None
        assert self.theirs is not None
        command = self.buildah.prepare(workload, self.theirs, self.ours.folder / "app", "measured")
        _settle(self.buildah.caches)
        usage = run(command, environ=os.environ)
        self._of(workload.name).others.setdefault(self.buildah.version(), []).append(usage)
        self.buildah.forget("measured")

    def unproven(self, workload: Workload) -> None:
        """One measurement of our side with wheels that no layer was made of before; comes after the rounds, in which they are known."""
        self.registry.put_back("base")
        self.ours.put_back("base")
        self.ours.forget_proofs()
        command = self.ours.command(self.ours.write(workload.name, workload.fields()))
        _settle(self.ours.caches)
        usage = run(command, environ=self.ours.environ_for(workload), cwd=self.ours.folder / "app")
        self._of(workload.name).unproven.append(usage)

    def look_closer(self, workload: Workload) -> None:
        """Further runs that are not timed: the memory of each side, ours in parts, the peer without bytecode."""
        measured = self._of(workload.name)
        write_source(self.ours.folder / "app", "looked at")
        self.registry.put_back(workload.after or "base")
        measured.our_memory = self._ours(workload, watch=()).memory
        if workload.empty:
            return  # taking it apart, or its peer, would only download once more
        self.registry.put_back(workload.after or "base")
        self.ours.put_back(workload.after or "base")
        write_source(self.ours.folder / "app", "taken apart")
        file = self.ours.write(workload.name, workload.fields())
        parts = run(
            [sys.executable, str(METER), str(file), f"{self.registry.place}/ours", str(self.ours.cache)],
            environ=self.ours.environ_for(workload),
        )
        measured.parts = json.loads(parts.output)
        if self.theirs is not None:
            self.registry.put_back(workload.after or "base")
            write_source(self.ours.folder / "app", "looked at again")
            measured.their_memory = self._theirs(workload, watch=(self.theirs.daemon,)).memory
            self.registry.put_back(workload.after or "base")
            if workload.packages and not workload.copies_source:
                command = self.theirs.prepare(workload, self.ours.folder / "app", bytecode=False)
                measured.without_bytecode = run(command, environ=os.environ).wall
            self.theirs.forget_images()

    def no_op(self) -> None:
        """The image is there: what asking costs, whole processes."""
        measured = self._of("W0")
        self.ours.put_back("W1")
        self.registry.put_back("W1")
        file = self.ours.write("W1", WORKLOADS["W1"].fields())
        for _ in range(NO_OP_RUNS):
            with self.registry.count() as counted:
                measured.ours.append(run(self.ours.command(file), environ=self.ours.environ(), cwd=file.parent))
            measured.our_traffic = counted[0]
        measured.our_memory = run(self.ours.command(file), environ=self.ours.environ(), watch=()).memory
        parts = run(
            [sys.executable, str(METER), str(file), f"{self.registry.place}/ours", str(self.ours.cache)],
            environ=self.ours.environ(),
        )
        bare = statistics.median(
            run([sys.executable, "-c", "pass"], environ=self.ours.environ()).wall for _ in range(NO_OP_RUNS)
        )
        measured.parts = {"interpreter": bare, **json.loads(parts.output)}
        if self.theirs is not None:
            environ = {**os.environ, "DOCKER_HOST": self.theirs.docker.command[1].removeprefix("--host=")}
            for _ in range(3):
                with self.registry.count() as counted:
                    measured.theirs.append(run(self.theirs.exist_command(WORKLOADS["W1"]), environ=environ))
                measured.their_traffic = counted[0]
            command = self.theirs.exist_command(WORKLOADS["W1"])
            measured.their_memory = run(command, environ=environ, watch=()).memory

    def _of(self, name: str) -> Measured:
        return self.measured.setdefault(name, Measured(our_traffic=Traffic(), their_traffic=Traffic()))


def _settle(caches: Sequence[Path]) -> None:
    """Let a side begin with its caches in memory, as the floor finds the wheels that were just used, and with nothing left to
    write: ours syncs the file system at its end, and must not pay for what was put back or left there."""
    read_through(*caches)
    os.sync()


def measure(arguments: argparse.Namespace) -> tuple[Bench, dict[str, object]]:
    """Prepare both sides, run the rounds, and look closer once."""
    work: Path = arguments.work.absolute()
    wanted = [WORKLOADS[name] for name in arguments.only]
    workloads, empty = [one for one in wanted if not one.empty], [one for one in wanted if one.empty]
    wheels = local_wheels()
    registry = Registry(work / "registry")
    facts = machine()
    with ExitStack() as stack:
        stack.enter_context(registry.serve())
        bench = Bench(Ours(work / "ours", registry.place, wheels), None, registry)
        write_source(bench.ours.folder / "app", "0")
        say("preparing our side")
        compile_ourselves()
        bench.prepare_ours(workloads)
        if not arguments.no_peer:
            say("preparing the peer: flytekit, dockerd, base image")
            archive = work / "base.tar"
            bench.export_base(archive)
            bench.theirs = stack.enter_context(peer(work / "peer", registry.place, archive, wheels, arguments.docker))
            facts["peer"] = bench.theirs.version()
            if shutil.which("buildah") and not arguments.no_buildah:
                bench.buildah = Buildah(work / "buildah", registry.place, wheels)
                stack.callback(bench.buildah.close)
                bench.buildah.load(archive, work / "peer/helper")
            bench.prepare_peer(workloads)
        bench.prepare_states(workloads)
        bench.no_op()
        for number in range(1, arguments.rounds + 1):
            for workload in workloads:
                say(f"round {number} of {arguments.rounds}: {workload.name}")
                bench.round(workload, number)
        for workload in [one for one in workloads if one.is_new] * arguments.rounds:
            bench.unproven(workload)
        for workload in workloads:
            say(f"memory and parts: {workload.name}")
            bench.look_closer(workload)
        # Last: they throw away what the peer's other builds stand on.
        for number in range(1, arguments.rounds + 1):
            for workload in empty:
                say(f"round {number} of {arguments.rounds}: {workload.name}")
                bench.round(workload, number)
        for workload in empty:
            bench.look_closer(workload)
    facts["load_after"] = os.getloadavg()[0]
    return bench, facts


def main() -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that dockerd and the registry end as well
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved measurements of each side")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(WORKLOADS), help="for example W1,W3")
    parser.add_argument("--no-peer", action="store_true", help="measure our side alone")
    parser.add_argument(
        "--no-buildah", action="store_true", help="leave out what Debian's buildah makes of the Dockerfiles"
    )
    parser.add_argument(
        "--docker", metavar="SUITE", default=SUITE, help="the suite of Debian whose dockerd is measured"
    )
    parser.add_argument("--work", type=Path, default=HERE.parent / ".benchmarks", help="folder for all that is made")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the figures")
    arguments = parser.parse_args()
    bench, facts = measure(arguments)
    text = table(bench.measured, WORKLOADS, facts, arguments.rounds)
    print(text)
    arguments.results.mkdir(parents=True, exist_ok=True)
    which = "" if arguments.docker == SUITE else f"-docker-of-{arguments.docker}"
    name = arguments.results / f"{date.today().isoformat()}-build{which}"
    name.with_suffix(".md").write_text(text + "\n")
    raw = {"machine": facts, "measured": {key: asdict(value) for key, value in bench.measured.items()}}
    name.with_suffix(".json").write_text(json.dumps(raw, indent=1, default=str) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
