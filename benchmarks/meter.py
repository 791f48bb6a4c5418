"""How it is measured: a command's time and memory, and what a registry was asked and given."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

LIMIT_SECONDS = 900
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """What one command took. ``memory`` in bytes: of its largest process (ru_maxrss), or as `run` says."""

    wall: float
    cpu: float
    memory: int
    output: str = ""


def run(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    cwd: Path | None = None,
    watch: Sequence[int] | None = None,
) -> Usage:
    """Run a command to its end. Its children count where it waits for them. RuntimeError when it fails.

    ``watch`` names further processes that work for it: the memory is then the peak of all of them and all below them
    together, and sampling it costs time.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as talk:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, stdout=out, stderr=talk
        )
        timer = threading.Timer(LIMIT_SECONDS, process.send_signal, [signal.SIGKILL])
        timer.start()
        try:
            if watch is None:
                _, status, used = os.wait4(process.pid, 0)
                peak = used.ru_maxrss * 1024
            else:
                with peak_memory([process.pid, *watch]) as sampled:
                    _, status, used = os.wait4(process.pid, 0)
                peak = sampled[0]
            wall = time.perf_counter() - started
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read().decode(errors="replace")
        if process.returncode:
            talk.seek(0)
            said = talk.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}\n{output[-2000:]}{said[-4000:]}")
    return Usage(wall, used.ru_utime + used.ru_stime, peak, output)


@contextmanager
def peak_memory(roots: Sequence[int]) -> Iterator[list[int]]:
    """While the body runs, the most memory that these processes and all below them hold together: [bytes] at the end.

    Sampled ten times a second, so a peak of less than that can be missed. Private and shared pages, files that are
    mapped included, each counted once (Pss).
    """
    peak, stop = [0], threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], sum(map(_pss, _tree(roots))))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _tree(roots: Sequence[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        found.add(one)
        waiting.extend(children.get(one, []))
    return found


def _pss(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a registry was asked (requests by method), and the bytes of blobs and manifests that are new in it."""

    requests: Mapping[str, int] = field(default_factory=dict)
    stored: int = 0

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.requests.values())


class Registry:
    """Debian's docker-registry, whose storage can be put back to what it was. Its access log counts for both sides."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.place = f"127.0.0.1:{probe.getsockname()[1]}"
        self._folder, self._storage, self._log = folder, folder / "storage", folder / "log"

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Serve while the body runs."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._storage.mkdir(parents=True)
        config = {
            "version": 0.1,
            "log": {"accesslog": {"disabled": False}, "level": "error"},
            # Without a cache of descriptors, so that it sees at once what was put in place of its storage.
            "storage": {"filesystem": {"rootdirectory": str(self._storage)}, "delete": {"enabled": True}},
            "http": {"addr": self.place, "secret": "only for benchmarks"},
        }
        (self._folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        with self._log.open("wb") as log:
            server = subprocess.Popen(
                ["docker-registry", "serve", str(self._folder / "config.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_for_port(self.place, server)
            yield
        finally:
            server.terminate()
            server.wait(60)

    def keep(self, name: str) -> None:
        """Remember what it holds now."""
        copy_linked(self._storage, self._folder / "kept" / name)

    def put_back(self, name: str) -> None:
        """Hold again what it held then. Blobs are links: the registry never changes one in place."""
        copy_linked(self._folder / "kept" / name, self._storage)

    @contextmanager
    def count(self) -> Iterator[list[Traffic]]:
        """What the body makes of it: [Traffic] at the end."""
        start, before = self._log.stat().st_size, self._blobs()
        counted: list[Traffic] = []
        yield counted
        with self._log.open("rb") as log:
            log.seek(start)
            methods = re.findall(rb'"(GET|HEAD|POST|PATCH|PUT|DELETE) /v2/[^"]* HTTP', log.read())
        new = sum(size for digest, size in self._blobs().items() if digest not in before)
        counted.append(Traffic(dict(Counter(method.decode() for method in methods)), new))

    def _blobs(self) -> dict[str, int]:
        return {data.parent.name: data.stat().st_size for data in self._storage.glob("**/blobs/sha256/*/*/data")}


def _wait_for_port(place: str, server: "subprocess.Popen[bytes]") -> None:
    host, _, port = place.partition(":")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("docker-registry did not start")


def read_through(*folders: Path) -> None:
    """Have the files below in memory, where caches are that one works with: some machines take idle memory back within a minute."""
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place, name)
                if path.is_symlink() or not path.is_file():
                    continue
                with suppress(OSError), path.open("rb", buffering=0) as file:
                    while file.read(1 << 20):
                        pass


def copy_linked(source: Path, target: Path) -> None:
    """A copy of a folder in place of ``target``: files that never change, and are big, are links; the rest is copied."""
    shutil.rmtree(target, ignore_errors=True)

    def copy(one: str, other: str) -> None:
        if Path(one).stat().st_size > 1 << 20:
            os.link(one, other)
        else:
            shutil.copy2(one, other)

    shutil.copytree(source, target, copy_function=copy, symlinks=True)


def child(file: str, registry: str, cache: str) -> None:
    """Build the images of a file as the command does, in this process, and print what took how long, as JSON."""
    started = time.perf_counter()
    from imagewright.build.session import Session
    from imagewright.builders.ensure import ensure_all
    from imagewright.cli.userfile import read_file, specs_in
    from imagewright.events import Event, ImagePublished, LayerReady, Resolved
    from imagewright.transport import Transport

    events: list[Event] = []
    transport = Transport()
    imported = time.perf_counter()
    specs = specs_in(read_file(Path(file)))
    read = time.perf_counter()
    session = Session(Path(cache), os.environ, registry=registry, listen=events.append, transport=transport)
    ensure_all(specs, session)
    ended = time.perf_counter()
    traffic = transport.traffic
    document = {
        "imports": imported - started,
        "read file": read - imported,
        "resolve": sum(event.seconds for event in events if isinstance(event, Resolved)),
        "write layers, sum over threads": sum(
            event.seconds for event in events if isinstance(event, LayerReady) and event.how == "written"
        ),
        "write and push, wall": sum(event.seconds for event in events if isinstance(event, ImagePublished)),
        "of that config, manifest, tag": sum(
            event.push_seconds for event in events if isinstance(event, ImagePublished)
        ),
        "all but the interpreter": ended - started,
        "requests": traffic.requests,
        "bytes sent": traffic.sent,
        "bytes received": traffic.received,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    child(*sys.argv[1:])
