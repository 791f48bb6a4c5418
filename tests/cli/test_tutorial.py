"""Every command of the tutorial does what the tutorial says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imagewright.errors import SandboxError
from imagewright.sandbox.bubblewrap import probe
from imagewright.sandbox.bwrap import find_bubblewrap

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-image.md"
MARK = "----- the next command -----"


def commands() -> list[tuple[str, list[str]]]:
    """The commands of the page in order, each with the lines that it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def pattern(lines: list[str]) -> str:
    """A regular expression for said lines: ``...`` alone is any lines, in a line it is anything; times may differ."""
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
            continue
        escaped = re.escape(line).replace(re.escape("..."), ".*")
        escaped = re.sub(r"(?:\\ )+\d+\\\.\d+s", r" +[\\d.ms ]+", escaped)
        parts.append(re.sub(r"\d+\\\.\d+s", r"[\\d.ms ]+", escaped) + "\n")
    return "".join(parts)


def test_the_pattern_is_strict_about_all_but_times_and_dots() -> None:
    """Else the test below would prove nothing."""
    said = ["Built demo in 2.2s: ...", "...", "numpy      2.3.5    16.9 MB      1.2s"]

    assert re.fullmatch(pattern(said), "Built demo in 0.08s: 2 of 3\nx\ny\nnumpy      2.3.5    16.9 MB    12.5s\n")
    assert not re.fullmatch(pattern(said), "Built demo in 0.08s: 2 of 3\nnumpy      2.3.6    16.9 MB    12.5s\n")
    assert not re.fullmatch(pattern(["demo"]), "demo\nmore\n")


@pytest.mark.network
def test_every_command_prints_what_the_tutorial_says(tmp_path: Path, machine_cache: Path) -> None:
    """In one shell, in order, with a local store of its own."""
    try:
        (tmp_path / "probe").mkdir()
        probe(find_bubblewrap(), tmp_path / "probe")
    except SandboxError as error:
        pytest.skip(f"this machine makes no sandbox: {error}")
    script = "".join(f"{command} 2>&1\necho '{MARK}'\n" for command, _ in commands())
    keep = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWRIGHT_")}
    _with_what_costs_time(tmp_path / "cache", machine_cache)
    environ = {
        **keep,
        "PATH": f"{Path(sys.executable).parent}:{keep['PATH']}",
        "IMAGEWRIGHT_CACHE_DIR": str(tmp_path / "cache"),
        "COLUMNS": "84",
    }

    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True, timeout=600, check=True
    )

    printed = done.stdout.split(f"{MARK}\n")
    for (command, said), got in zip(commands(), printed, strict=False):
        assert re.fullmatch(pattern(said), got), f"$ {command}\n{got}"


def _with_what_costs_time(cache: Path, machine_cache: Path) -> None:
    """Downloads, and the base image's layer if another test has made it: no part of what the tutorial shows."""
    cache.mkdir()
    for name in ("uv", "index", "files"):
        (machine_cache / name).mkdir(exist_ok=True)
        (cache / name).symlink_to(machine_cache / name)
    for name in ("store/blobs", "layers"):
        if (machine_cache / name).is_dir():
            shutil.copytree(machine_cache / name, cache / name, copy_function=os.link)
