"""The main job, on real packages: an ImageSpec becomes an image, and tasks run in containers of it."""

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.end_to_end.conftest import ROOT, Run

pytestmark = pytest.mark.network

EXAMPLE = ROOT / "examples" / "image_build.py"


def test_the_seed_example_runs_in_a_container_of_its_image(imagewright: Run) -> None:
    """numpy is not installed here; the sum comes from inside the container, alone on stdout."""
    ran = imagewright("run", "--container", str(EXAMPLE), "main")

    assert (ran.returncode, ran.stdout) == (0, "6\n"), ran.stderr


def test_the_second_run_builds_nothing(imagewright: Run) -> None:
    """The image is found by its tag, and the task starts at once."""
    imagewright("build", str(EXAMPLE))

    again = imagewright("run", "--container", str(EXAMPLE), "main")

    assert again.stdout == "6\n"
    assert re.match(r"imagewright +unchanged +[0-9.]+s\n", again.stderr), again.stderr


def test_build_prints_the_digest_and_nothing_else(imagewright: Run) -> None:
    """stdout is data: one line, the reference pinned by digest."""
    built = imagewright("build", str(EXAMPLE))

    assert re.fullmatch(r"imagewright@sha256:[0-9a-f]{64}\n", built.stdout), built.stderr


def test_three_tasks_run_in_two_images_of_two_pythons(imagewright: Run) -> None:
    """pandas and scikit-learn pass tables between Python 3.9 and 3.11, and this machine needs neither."""
    ran = imagewright("run", "--container", str(ROOT / "examples" / "two_images.py"), "main")

    fitted = "y = 3.0 x + 2.0 over 10 days until 2026-01-10, fitted by Python 3.11, reported by Python 3.9\n"
    assert (ran.returncode, ran.stdout) == (0, fitted), ran.stderr


@pytest.mark.parametrize("python", ["3.9", "3.13"])
def test_other_pythons_run_as_well(imagewright: Run, tmp_path: Path, python: str) -> None:
    """The runtime in the container needs 3.9 and the standard library, whatever Python builds the image."""
    (tmp_path / "app.py").write_text(
        f"""
import sys
from dataclasses import dataclass
from imagewright import ImageSpec, task, workflow

image = ImageSpec(packages=["six==1.17.0"], python_version="{python}", env={{"GREETING": "a b=c"}})

@dataclass
class Answer:
    python: str
    greeting: str
    mine: bool

@task(container_image=image)
def ask(name: str) -> Answer:
    import os, six
    return Answer("%d.%d" % sys.version_info[:2], os.environ["GREETING"] + name, image.is_container())

@task(container_image=image)
def tell(answer: Answer) -> str:
    return f"{{answer.python}} {{answer.greeting}} {{answer.mine}}"

@workflow
def main(name: str = "!") -> str:
    return tell(answer=ask(name=name))
"""
    )

    ran = imagewright("run", "--container", "app.py", "main", "--name", "?")

    assert (ran.returncode, ran.stdout) == (0, f"{python} a b=c? True\n"), ran.stderr


def test_a_task_that_fails_shows_its_own_traceback(imagewright: Run, tmp_path: Path) -> None:
    """The user's lines are in it, and imagewright's are not."""
    (tmp_path / "app.py").write_text(
        "from imagewright import task, workflow\n\n"
        "@task\ndef divide(n: int) -> float:\n    return 1 / n\n\n"
        "@workflow\ndef main(n: int = 0) -> float:\n    return divide(n=n)\n"
    )

    ran = imagewright("run", "--container", "app.py", "main")

    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "error[IW310]: task 'divide'" in ran.stderr
    assert "return 1 / n" in ran.stderr
    assert "ZeroDivisionError: division by zero" in ran.stderr
    assert "entrypoint.py" not in ran.stderr


def test_a_lock_file_is_written_shown_and_used(imagewright: Run, tmp_path: Path) -> None:
    """`imagewright lock` pins what a build then takes; a spec that asks for more says that the lock is old."""
    app = tmp_path / "app.py"
    app.write_text('from imagewright import ImageSpec\nimage = ImageSpec("locked", packages=["six"])\n')

    written = imagewright("lock", "app.py")
    built = imagewright("build", "app.py", "--progress", "plain")

    file = tmp_path / "imagewright.lock" / "locked-linux-amd64.pylock.toml"
    assert written.returncode == 0, written.stderr
    assert 'name = "six"' in file.read_text()
    assert built.returncode == 0, built.stderr
    app.write_text('from imagewright import ImageSpec\nimage = ImageSpec("locked", packages=["six", "idna"])\n')
    stale = imagewright("build", "app.py")
    assert stale.returncode == 3
    assert "imagewright lock app.py" in stale.stderr


def test_an_image_leaves_the_store_as_an_archive(imagewright: Run, tmp_path: Path) -> None:
    """`image export` writes what podman and docker load."""
    reference = imagewright("build", str(EXAMPLE)).stdout.strip()

    for form in ("oci-archive", "docker-archive"):
        exported = imagewright("image", "export", reference, f"{tmp_path / form}.tar", "--format", form)
        assert exported.returncode == 0, exported.stderr
        assert (tmp_path / f"{form}.tar").stat().st_size > 1 << 20
    listed = imagewright("--output", "json", "image", "list")
    assert reference.partition("@")[2] in json.dumps(json.loads(listed.stdout))


def test_nothing_is_left_behind(imagewright: Run, tmp_path: Path) -> None:
    """A run leaves no file in the user's folder."""
    shutil.copy(EXAMPLE, tmp_path)

    imagewright("run", "--container", "image_build.py", "main")

    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["image_build.py"]
