"""Registries on a free port of this machine, for tests: Debian's docker-registry, and one in this process."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imagewright.testing.fake_registry import IDENTITY_TOKEN, PASSWORD, USERNAME, FakeRegistry, Fault

__all__ = [
    "IDENTITY_TOKEN",
    "PASSWORD",
    "USERNAME",
    "FakeRegistry",
    "Fault",
    "docker_registry",
    "docker_registry_program",
]

START_SECONDS = 30

# bcrypt, the only form that docker-registry takes
_HTPASSWD = "alice:$2b$04$Uy/Nvynh6Cr2zPjVdpAjU.R1rep1wFfB2En1CPlKNX5E6Ox3h51la\n"


def docker_registry_program() -> str | None:
    """The path of Debian's docker-registry, or None when it is not installed."""
    return shutil.which("docker-registry")


@contextmanager
def docker_registry(folder: Path, *, login: bool = False) -> Iterator[str]:
    """Debian's docker-registry with its storage in ``folder``: its ``host:port`` while the body runs.

    With ``login`` it wants `USERNAME` and `PASSWORD`.
    """
    program = docker_registry_program()
    if program is None:
        raise FileNotFoundError("docker-registry is not installed")
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}, "level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "only for tests"},
    }
    if login:
        (folder / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    log = folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={"PATH": os.environ.get("PATH", "")},
        )
    try:
        yield _listening(server, log)
    finally:
        server.kill()  # its storage is thrown away
        server.wait(START_SECONDS)


def _listening(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address that the server says it listens on."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if (found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text(errors="replace"))) is not None:
            return found[1]
        time.sleep(0.01)
    raise RuntimeError(f"docker-registry did not start: {log.read_text(errors='replace')[-2000:]}")
