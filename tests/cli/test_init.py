"""`imagewright init NAME` writes a project that runs."""

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from imagewright.cli.project import image_name, project_files
from imagewright.oci.reference import check_repository

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_it_says_what_it_made_and_what_is_next(run: Run, tmp_path: Path) -> None:
    """As the transcript of the first run."""
    done = run("init", "demo")

    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        'Created demo/  app.py  requirements.txt  pyproject.toml ([tool.imagewright] registry = "local")  tests/test_app.py',
        "Next: cd demo && imagewright run app.py main --n 5",
    ]
    made = {str(path.relative_to(tmp_path / "work" / "demo")) for path in (tmp_path / "work" / "demo").rglob("*.*")}
    assert made == {"app.py", "requirements.txt", "pyproject.toml", "tests/test_app.py"}


def test_a_folder_with_something_in_it_is_refused(run: Run, tmp_path: Path) -> None:
    """Nothing of the user's is written over; an empty folder is taken."""
    (tmp_path / "work" / "full").mkdir()
    (tmp_path / "work" / "full" / "mine.txt").write_text("mine")
    (tmp_path / "work" / "empty").mkdir()
    (tmp_path / "work" / "file").write_text("mine")

    assert run("init", "full").returncode == 2
    assert run("init", "file").returncode == 2
    assert run("init", "empty").returncode == 0
    assert [path.name for path in (tmp_path / "work" / "full").iterdir()] == ["mine.txt"]


def test_its_config_keeps_images_on_this_machine(run: Run, tmp_path: Path) -> None:
    """The project works before there is a registry."""
    run("init", "demo")

    shown = tomllib.loads(run("config", "show", cwd=tmp_path / "work" / "demo").stdout)
    assert shown["registry"] == "local"


@pytest.mark.parametrize("name", ["demo", "My Project", "data_2024", "Ünïcode", "...", "UPPER", "a--b"])
def test_any_folder_name_gives_an_image_name(name: str) -> None:
    """The image's name is a repository, whatever the folder is called, and the files are Python and TOML."""
    files = project_files(name)

    assert check_repository(image_name(name))
    compile(files["app.py"], "app.py", "exec")
    compile(files["tests/test_app.py"], "test_app.py", "exec")
    assert tomllib.loads(files["pyproject.toml"])["project"]["name"] == image_name(name)
