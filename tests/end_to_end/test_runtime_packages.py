"""runtime_packages: in no image that is published, and there when a task starts."""

import json
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run

pytestmark = pytest.mark.network

APP = """
from imagewright import ImageSpec, task, workflow

image = ImageSpec("late", packages=["six==1.17.0"], runtime_packages=["iniconfig==2.0.0"])


@task(container_image=image)
def look() -> str:
    import iniconfig
    import six

    return iniconfig.IniConfig.__name__ + six.__version__


@workflow
def main() -> str:
    return look()
"""


def test_they_are_there_when_a_task_starts(imagewright: Run, tmp_path: Path) -> None:
    """On top of what the image has, which stays the image that it is without them."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "without.py").write_text(APP.replace(', runtime_packages=["iniconfig==2.0.0"]', ""))

    ran = imagewright("run", "--container", "app.py", "main")
    again = imagewright("run", "--container", "--offline", "app.py", "main")

    assert (ran.returncode, ran.stdout) == (0, "IniConfig1.17.0\n"), ran.stderr
    assert "late-runtime  unchanged" in again.stderr
    assert again.stdout == ran.stdout
    assert imagewright("build", "app.py").stdout == imagewright("build", "without.py").stdout
    layers = json.loads(imagewright("--output", "json", "image", "inspect", "late").stdout)
    assert "iniconfig" not in json.dumps(layers)


def test_what_the_image_has_stays(imagewright: Run, tmp_path: Path) -> None:
    """Another version of it is an error that points at the field."""
    (tmp_path / "app.py").write_text(APP.replace("iniconfig==2.0.0", "six==1.16.0"))

    ran = imagewright("run", "--container", "app.py", "main")

    assert ran.returncode == 3
    assert "there already is six 1.17.0" in ran.stderr
    assert "runtime_packages=" in ran.stderr
