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


@pytest.fixture(scope="session")
def machine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of the session, or of all sessions when IMAGEWRIGHT_TEST_CACHE names a folder."""
    named = os.environ.get("IMAGEWRIGHT_TEST_CACHE")
    folder = Path(named) / "cli" if named else tmp_path_factory.mktemp("cli")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def run_here(tmp_path: Path, machine_cache: Path) -> Run:
    """As ``run``, with this machine's own settings for package indexes, and downloads that are kept."""
    folder = tmp_path / "work"
    folder.mkdir()
    keep = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWRIGHT_")}

    def call(*arguments: str, cwd: Path | None = None, **environ: str) -> object:
        own = {"IMAGEWRIGHT_CACHE_DIR": str(machine_cache), "COLUMNS": "84"}
        return subprocess.run(
            [*PROGRAM, *arguments],
            cwd=cwd or folder,
            env={**keep, **own, **environ},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return call  # type: ignore[return-value]
