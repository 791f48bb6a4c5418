"""Ignore files mean what git and docker take them for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from imagewright.spec.files import walk
from imagewright.spec.ignore import Ignores


def kept(root: Path) -> set[str]:
    return set(walk(str(root), Ignores(root).ignored))


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def test_generated_files_are_left_out(tmp_path: Path) -> None:
    """Bytecode, caches, git's own folder and virtual environments never count."""
    make(
        tmp_path,
        "a.py",
        "a.pyc",
        "p/__pycache__/b.cpython-311.pyc",
        ".cache/x",
        ".git/HEAD",
        ".venv/pyvenv.cfg",
        ".venv/lib/y.py",
    )

    assert kept(tmp_path) == {"a.py"}


@pytest.mark.parametrize("name", [".dockerignore", ".flyteignore"])
@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("a.txt", {"a.txt"}),
        ("*.txt", {"a.txt"}),
        ("**/*.txt", {"a.txt", "d/a.txt", "d/e/a.txt"}),
        ("d", {"d/a.txt", "d/b.md", "d/e/a.txt"}),
        ("/d/", {"d/a.txt", "d/b.md", "d/e/a.txt"}),
        ("./d/e", {"d/e/a.txt"}),
        ("d\n!d/b.md", {"d/a.txt", "d/e/a.txt"}),
        ("!d/b.md\nd", {"d/a.txt", "d/b.md", "d/e/a.txt"}),
        ("*/a.txt", {"d/a.txt"}),
        ("d/?.md", {"d/b.md"}),
        ("[ab].txt", {"a.txt"}),
        ("d/**", {"d/a.txt", "d/b.md", "d/e/a.txt"}),
        ("# a.txt\n\n", set()),
    ],
)
def test_dockerignore(tmp_path: Path, name: str, text: str, left_out: set[str]) -> None:
    """Patterns start at the root, folders take all below them, and the last word counts.

    Source: Docker's documentation, "Build context", ".dockerignore files".
    """
    files = {"a.txt", "d/a.txt", "d/b.md", "d/e/a.txt"}
    make(tmp_path, *files)
    (tmp_path / name).write_text(text)

    assert kept(tmp_path) - {name} == files - left_out


LINES = st.sampled_from(
    [
        "*.txt",
        "!a.txt",
        "/a.txt",
        "d/",
        "d",
        "!d/",
        "d/e",
        "**/e",
        "e/**",
        "d/**/a.txt",
        "/d/*",
        "!/d/e",
        "a?txt",
        "[a-b].txt",
        "[!a].md",
        "b.md ",
        "\\!x",
        "!x",
        "\\#y",
        "#y",
        "d/*.txt",
        "*/e/",
        "**",
        "!*.md",
        "foo/",
    ]
)
FILES = ["a.txt", "b.md", "x", "!x", "#y", "d/a.txt", "d/b.md", "d/e/a.txt", "d/e/f/b.md", "e/a.txt", "e/x"]


@pytest.mark.tool
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(st.lists(LINES, max_size=5), st.lists(LINES, max_size=3), st.sampled_from(["", "d"]))
def test_gitignore_as_git_reads_it(tmp_path: Path, top: list[str], nested: list[str], start: str) -> None:
    """git itself keeps the same files, with ignore files at the top and below, seen from the top or from below."""
    root = tmp_path / "repository"
    if not root.exists():
        make(root, *FILES)
        subprocess.run(["git", "init", "-q", str(root)], check=True, timeout=30)
    (root / ".gitignore").write_text("\n".join(top))
    (root / "d/.gitignore").write_text("\n".join(nested))

    # A root that is itself ignored was named on purpose, so it counts; git shows nothing of it.
    whole = subprocess.run(["git", "check-ignore", "-q", "d"], cwd=root, check=False, timeout=30)
    assume(not start or whole.returncode == 1)
    said = subprocess.run(
        ["git", "-c", "core.quotePath=false", "ls-files", "-co", "--exclude-standard"],
        cwd=root / start,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert kept(root / start) == set(said.stdout.split("\n")) - {""}
