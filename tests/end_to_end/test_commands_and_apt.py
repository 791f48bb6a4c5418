"""``apt_packages`` and ``commands`` on the default base: what they leave is there when a task runs."""

import json
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run

pytestmark = pytest.mark.network

APP = """
from imagewright import ImageSpec, task, workflow

image = ImageSpec(
    "steps",
    packages=["six==1.17.0"],
    apt_packages=["git"],
    copy=["given.txt"],
    env={"GREETING": "a b=c"},
    commands=[
        'python -c "import six; print(six.__version__)" > /opt/six',
        'git init -q /srv/repo && cp /root/given.txt "/opt/$GREETING"',
        "rm /etc/motd && rm -r /opt/six",
    ],
)


@task(container_image=image)
def look() -> str:
    import os, subprocess

    def out(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return "|".join(
        [
            out("git", "--version").partition(" 2")[0],
            out("git", "-c", "safe.directory=*", "-C", "/srv/repo", "rev-parse", "--is-inside-work-tree"),
            open("/opt/a b=c").read(),
            str(os.path.exists("/etc/motd") or os.path.exists("/opt/six")),
            out("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", "git", "perl"),
            out("dpkg", "--audit"),
            str(os.stat("/root").st_uid == os.getuid() or os.getuid()),
        ]
    )


@workflow
def main() -> str:
    return look()
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "given.txt").write_text("given")
    (tmp_path / "app.py").write_text(APP)
    return tmp_path / "app.py"


def test_a_task_finds_what_apt_and_commands_left(imagewright: Run, app: Path) -> None:
    """git from Debian works, commands saw wheels, files and env, what they removed is gone, dpkg knows all."""
    ran = imagewright("run", "--container", "app.py", "main")

    assert (ran.returncode, ran.stdout) == (0, "git version|true|given|False|ii ii||True\n"), ran.stderr


def test_what_is_known_is_not_run_again(imagewright: Run, app: Path) -> None:
    """A build that is forced finds every step's layer."""
    first = imagewright("build", "app.py")
    again = imagewright("build", "app.py", "--force", "--progress", "plain")

    assert again.stdout == first.stdout
    assert " | " not in again.stderr
    assert "8 of 8 layers reused" in again.stderr, again.stderr


def test_the_lock_file_pins_debian_packages(imagewright: Run, app: Path) -> None:
    """Versions and digests of all that apt installs are in it, and it alone decides the next build."""
    imagewright("lock", "app.py")
    text = (app.parent / "imagewright.lock" / "steps-linux-amd64.pylock.toml").read_text()

    assert "[[tool.imagewright.apt]]" in text
    assert 'name = "git"' in text
    assert 'name = "perl"' in text
    built = imagewright("build", "app.py", "--offline")
    assert built.returncode == 0, built.stderr


def test_the_history_says_what_ran(imagewright: Run, app: Path) -> None:
    """A line for each layer; of steps also whether they had a network."""
    reference = imagewright("build", "app.py").stdout.strip()
    shown = json.loads(imagewright("--output", "json", "image", "inspect", reference).stdout)

    text = json.dumps(shown)
    assert "imagewright: apt packages git" in text
    assert "in a sandbox, without a network" in text
    assert "imagewright: run rm /etc/motd && rm -r /opt/six" in text
    assert "in a sandbox, with the network" in text


def test_a_failed_command_is_an_error_of_its_line(imagewright: Run, app: Path) -> None:
    """Exit code 1, the command's words, the package that helps; the layers before it are not made again."""
    app.write_text(APP.replace("rm /etc/motd && rm -r /opt/six", "make -C /srv install"))

    failed = imagewright("build", "app.py")

    assert failed.returncode == 1
    assert "error[IW301]: command 3 of 3 of image 'steps' ended with exit code 127" in failed.stderr
    assert "/bin/sh: 1: make: not found" in failed.stderr
    assert "kept: the 7 layers before it" in failed.stderr
    assert 'apt_packages=["make"]' in failed.stderr


def test_a_package_that_is_not_there_is_an_error_of_its_name(imagewright: Run, app: Path) -> None:
    """Before anything is built, with the name that was meant."""
    app.write_text(APP.replace('apt_packages=["git"]', 'apt_packages=["build-essentials"]'))

    failed = imagewright("build", "app.py")

    assert failed.returncode == 3
    assert "error[IW206]: there is no Debian package 'build-essentials' in bookworm" in failed.stderr
    assert "did you mean 'build-essential'" in failed.stderr
