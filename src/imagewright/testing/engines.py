"""Container engines of other makers, for tests and benchmarks: dockerd and podman, each with its data in a folder of its own."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagewright.dataclass import dataclass

START_SECONDS = 60
RUN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine. ``command`` begins each of its command lines; ``run_options`` are for a container."""

    name: str
    command: tuple[str, ...]
    run_options: tuple[str, ...]

    def call(self, *arguments: str, timeout_seconds: float = RUN_SECONDS) -> str:
        """What the engine prints for these arguments."""
        return output_of(*self.command, *arguments, timeout_seconds=timeout_seconds)

    def run(self, reference: str, *arguments: str) -> str:
        """What a container of an image prints; it is pulled from its registry when it is not there."""
        return self.call("run", "--rm", "--network=none", *self.run_options, reference, *arguments)


def output_of(*command: str, timeout_seconds: float = RUN_SECONDS) -> str:
    """What a command prints. RuntimeError, with what it said, when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def missing(*programs: str, root: bool = False) -> str:
    """Why these programs cannot be used here, or ""."""
    absent = [program for program in programs if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return "needs to be root" if root and os.geteuid() != 0 else ""


@contextmanager
def dockerd(path: str = "") -> Iterator[Engine]:
    """A Docker daemon without any network of its own, while the body runs. Builds need ``--network=host``.

    ``path`` is where it, containerd and runc are looked for, as PATH; "" is PATH itself.
    """
    path = path or os.environ.get("PATH", os.defpath)
    # The path of a unix socket has room for about 100 bytes, which a test's own folder may exceed.
    with tempfile.TemporaryDirectory(prefix="dockerd-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        host = f"unix://{folder}/docker.sock"
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [
                    shutil.which("dockerd", path=path) or "dockerd",
                    f"--host={host}",
                    f"--data-root={folder}/data",
                    f"--exec-root={folder}/exec",
                    f"--pidfile={folder}/pid",
                    "--iptables=false",
                    "--ip6tables=false",
                    "--bridge=none",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": path},
            )
            try:
                engine = Engine("docker", (shutil.which("docker", path=path) or "docker", f"--host={host}"), ())
                _wait_for(engine, daemon, folder / "log")
                yield engine
            finally:
                daemon.terminate()
                daemon.wait(START_SECONDS)


def _wait_for(engine: Engine, daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while daemon.poll() is None and time.monotonic() < deadline:
        try:
            engine.call("version", timeout_seconds=START_SECONDS)
        except RuntimeError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"dockerd did not start: {log.read_text(errors='replace')[-3000:]}")


@contextmanager
def podman() -> Iterator[Engine]:
    """podman with a store of its own, which is thrown away at the end."""
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as folder:
        engine = Engine(
            "podman",
            (
                "podman",
                f"--root={folder}/root",
                f"--runroot={folder}/run",
                f"--tmpdir={folder}/tmp",
                "--cgroup-manager=cgroupfs",  # no systemd is asked for
                "--events-backend=file",
                "--runtime=runc",  # crun takes no hybrid cgroups, which virtual machines for tests often have
            ),
            # podman's own defaults are above the limits of an ordinary container that runs tests.
            ("--tls-verify=false", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"),
        )
        try:
            yield engine
        finally:
            engine.call("rmi", "--all", "--force")
