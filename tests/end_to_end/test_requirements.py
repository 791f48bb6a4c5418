"""Each kind of file that requirements= takes, on a real package, in a container."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run
from uv import find_uv_bin

from imagewright.packages.pypi.poetry_lock import content_hash

pytestmark = pytest.mark.network

PROJECT = '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["six==1.16.0"]\n'
POETRY = """\
[[package]]
name = "six"
version = "1.16.0"
description = ""
optional = false
python-versions = ">=2.7, !=3.0.*, !=3.1.*, !=3.2.*"
groups = ["main"]
files = [
    {{file = "six-1.16.0-py2.py3-none-any.whl", hash = "{digest}"}},
]

[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
content-hash = "{content_hash}"
"""
FILES = {
    "lines": "requirements/base.txt",
    "project": "project/pyproject.toml",
    "uv": "project/uv.lock",
    "poetry": "project/poetry.lock",
    "pylock": "project/pylock.toml",
    "script": "job.py",
}


def test_every_kind_of_file_is_installed(imagewright: Run, tmp_path: Path) -> None:
    """uv.lock and pylock.toml as uv writes them; pyproject.toml is a project and no list of lines, as in flytekit."""
    write_files(tmp_path)
    images = "".join(f'{name} = ImageSpec("{name}", requirements="{file}")\n' for name, file in FILES.items())
    tasks = "".join(
        f"@task(container_image={name})\ndef of_{name}() -> str:\n    import six\n    return six.__version__\n\n"
        for name in FILES
    )
    asked = ", ".join(f"{name}=of_{name}()" for name in FILES)
    parameters = ", ".join(f"{name}: str" for name in FILES)
    versions = " + ' ' + ".join(FILES)
    (tmp_path / "app.py").write_text(
        f"from imagewright import ImageSpec, task, workflow\n\n{images}\n{tasks}"
        f"@task\ndef joined({parameters}) -> str:\n    return {versions}\n\n"
        f"@workflow\ndef main() -> str:\n    return joined({asked})\n"
    )

    ran = imagewright("run", "--container", "app.py", "main")

    assert (ran.returncode, ran.stdout) == (0, " ".join(["1.16.0"] * len(FILES)) + "\n"), ran.stderr


def write_files(folder: Path) -> None:
    """Six files that each ask for six 1.16.0."""
    (folder / "requirements").mkdir()
    (folder / "requirements/base.txt").write_text("six<1.17\n-c limits.txt\n")
    (folder / "requirements/limits.txt").write_text("six==1.16.0\n")
    (folder / "job.py").write_text("# /// script\n# dependencies = ['six==1.16.0']\n# ///\nimport six\n")
    project = folder / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    for command in (["lock"], ["export", "--format", "pylock.toml", "--no-emit-project", "-o", "pylock.toml"]):
        subprocess.run([find_uv_bin(), *command, "--quiet"], cwd=project, env=dict(os.environ), check=True, timeout=120)
    (six,) = (
        package for package in tomllib.loads((project / "uv.lock").read_text())["package"] if package["name"] == "six"
    )
    known = content_hash(tomllib.loads(PROJECT), with_groups=True)
    (project / "poetry.lock").write_text(POETRY.format(digest=six["wheels"][0]["hash"], content_hash=known))
