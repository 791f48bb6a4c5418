"""Running the program as a person does: in a process of its own, in a folder and home of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = (sys.executable, "-c", "import sys; from imagewright.cli.main import main; sys.exit(main())")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run("init", "demo", cwd=..., NAME="value")``: the program's exit code, stdout and stderr."""
    home = tmp_path / "home"
    home.mkdir()
    folder = tmp_path / "work"
    folder.mkdir()
    keep = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}

    def call(*arguments: str, cwd: Path | None = None, program: Sequence[str] = PROGRAM, **environ: str) -> object:
        return subprocess.run(
            [*program, *arguments],
            cwd=cwd or folder,
            env={**keep, "HOME": str(home), "IMAGEWRIGHT_CACHE_DIR": str(tmp_path / "cache"), **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call  # type: ignore[return-value]
