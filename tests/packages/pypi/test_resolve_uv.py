"""How uv is run."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.errors import SandboxError
from imagewright.packages.pypi.resolve_uv import Uv, run_uv
from imagewright.packages.target import Target

# Not uv: writes down what it was given, and a lock.
RECORDER = """#!/bin/sh
printf '%s\\n' "$@" > arguments
env > environment
cat > requirements
for argument in "$@"; do case "$argument" in --output-file=*) cp "${argument#*=}" previous; echo new > "${argument#*=}";; esac; done
"""


@pytest.fixture
def recorder(tmp_path: Path) -> Uv:
    program = tmp_path / "uv"
    program.write_text(RECORDER)
    program.chmod(0o755)
    environ = {"PATH": "/usr/bin:/bin", "UV_PYTHON": "3.9", "UV_EXCLUDE_NEWER": "2026-01-01", "UV_HTTP_RETRIES": "7"}
    return Uv(tmp_path / "cache", environ, executable=str(program))


def test_what_uv_is_given(recorder: Uv, target: Target, tmp_path: Path) -> None:
    """Requirements on its input, the target in its flags, no interpreter to look for, and the user's UV_ variables
    except those that speak of another Python."""
    compiled = run_uv(
        recorder,
        ("numpy", "a @ https://user:canary@example.com/a.whl"),
        [tmp_path / "requirements.txt"],
        replace(target, python_full_version="3.11.2"),
        directory=tmp_path,
        arguments=["--offline"],
        environment={"UV_INDEX": "https://user:canary@example.com/simple"},
        previous="old",
    )

    arguments = (tmp_path / "arguments").read_text().splitlines()
    environment = (tmp_path / "environment").read_text().splitlines()
    assert compiled.text == "new\n"
    assert (tmp_path / "previous").read_text() == "old"
    assert (tmp_path / "requirements").read_text() == "numpy\na @ https://user:canary@example.com/a.whl\n"
    assert arguments[-2:] == ["-", str(tmp_path / "requirements.txt")]
    assert {
        "--python-version=3.11.2", "--python-platform=x86_64-manylinux_2_36", "--no-python-downloads", "--no-build",
        f"--cache-dir={tmp_path / 'cache'}", "--offline",
    } <= set(arguments)  # fmt: skip
    assert "canary" not in " ".join(arguments)
    assert {"UV_INDEX=https://user:canary@example.com/simple", "UV_EXCLUDE_NEWER=2026-01-01"} <= set(environment)
    assert {"UV_HTTP_RETRIES=7", "UV_HTTP_CONNECT_TIMEOUT=3"} <= set(environment)
    assert not any(line.startswith("UV_PYTHON=") for line in environment)


def test_uv_that_fails(recorder: Uv, target: Target, tmp_path: Path) -> None:
    """Its status and its words are returned, and no lock."""
    Path(recorder.executable).write_text("#!/bin/sh\necho no >&2\nexit 2\n")

    compiled = run_uv(recorder, ("numpy",), (), target, directory=tmp_path, arguments=(), environment={}, previous="x")

    assert (compiled.status, compiled.text, compiled.said) == (2, "", "no\n")


def test_uv_that_is_gone(target: Target, tmp_path: Path) -> None:
    """A program that cannot be started is an error that says how to get it."""
    with pytest.raises(SandboxError) as caught:
        run_uv(Uv(tmp_path, {}, executable=str(tmp_path / "no-uv")), ("a",), (), target,
               directory=tmp_path, arguments=(), environment={})  # fmt: skip

    assert caught.value.code == "IW602"


def test_the_packages_own_uv(tmp_path: Path) -> None:
    """Without a path, uv is the program of the uv package."""
    assert Path(Uv(tmp_path, {}).program()).name == "uv"


_AT_ONCE = """
import sys, threading
from pathlib import Path
from imagewright.packages.pypi.resolve_uv import Uv

sys.setswitchinterval(1e-6)
together = threading.Barrier(8)

def look():
    together.wait()
    try:
        Uv(Path(), {}).program()
    except TypeError as error:
        print(error)

threads = [threading.Thread(target=look) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_find_uv_at_once() -> None:
    """Images of one command are resolved side by side, and sysconfig is not ready for that when it is first asked."""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", _AT_ONCE], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == ""
