import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all of these tests. What it downloads is the next run's as well where IMAGEWRIGHT_TEST_CACHE names a
    folder; images are not: what another run has built is no image of this code.
    """
    folder = tmp_path_factory.mktemp("cache")
    if named := os.environ.get("IMAGEWRIGHT_TEST_CACHE"):
        for part in ("files", "index", "uv"):
            (Path(named) / part).mkdir(parents=True, exist_ok=True)
            (folder / part).symlink_to(Path(named).absolute() / part)
    return folder


@pytest.fixture
def imagewright(cache: Path, tmp_path: Path) -> Run:
    """The command, in ``tmp_path`` and with the shared cache, as a user would type it."""
    return command(cache, tmp_path)


def command(cache: Path, folder: Path) -> Run:
    """The command, in a folder and with a cache."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWRIGHT_")}
    environ |= {"IMAGEWRIGHT_CACHE_DIR": str(cache), "NO_COLOR": "1", "XDG_CONFIG_HOME": str(folder / "config")}

    def run(*arguments: str, cwd: Path = folder, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(Path(sys.executable).with_name("imagewright")), *arguments],
            cwd=cwd,
            env={**environ, **more},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run
