"""`imagewright login` and `imagewright logout`."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagewright.testing.registry import PASSWORD, USERNAME, FakeRegistry

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = (sys.executable, "-c", "import sys; from imagewright.cli.main import main; sys.exit(main())")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    registry = FakeRegistry(auth="bearer")
    with registry.serve():
        yield registry


@pytest.fixture
def typed(run: Run) -> Run:
    """``run`` with something on stdin."""

    def call(text: str, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        shell = ["sh", "-c", 'printf "%s" "$TYPED" | "$@"', "sh", *PROGRAM]
        return run(*arguments, program=shell, TYPED=text, **environ)

    return call


def login(typed: Run, place: str, password: str = PASSWORD, **environ: str) -> "subprocess.CompletedProcess[str]":
    return typed(f"{password}\n", "login", place, "-u", USERNAME, "--password-stdin", **environ)


def test_a_login_is_tried_and_kept_where_docker_keeps_it(
    typed: Run, run: Run, registry: FakeRegistry, tmp_path: Path
) -> None:
    """What else is in the file stays; the file is for its owner alone; afterwards the registry lets us in."""
    config = tmp_path / "home" / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {"ghcr.io": {"auth": "eDp5"}}, "psFormat": "table"}))

    done = login(typed, registry.place)

    document = json.loads(config.read_text())
    assert done.returncode == 0, done.stderr
    assert "kept in ~/.docker/config.json" in done.stderr
    assert set(document["auths"]) == {"ghcr.io", registry.place}
    assert document["psFormat"] == "table"
    assert config.stat().st_mode & 0o777 == 0o600
    found = run("image", "check", f"{registry.place}/acme/none:v1")
    assert (found.returncode, "no such image" in found.stdout) == (1, True)

    gone, again = run("logout", registry.place), run("logout", registry.place)
    assert "taken out of ~/.docker/config.json" in gone.stderr
    assert "There was no login" in again.stderr
    assert set(json.loads(config.read_text())["auths"]) == {"ghcr.io"}


def test_a_wrong_password_is_not_kept(typed: Run, registry: FakeRegistry, tmp_path: Path) -> None:
    """The registry says no, in its own words; the password is nowhere."""
    done = login(typed, registry.place, "h3mmelig")

    assert done.returncode == 4
    assert f"{registry.place} does not accept the login of 'alice' (as typed)" in done.stderr
    assert "h3mmelig" not in done.stderr + done.stdout
    assert not (tmp_path / "home" / ".docker").exists()


def test_a_helper_keeps_the_login(typed: Run, run: Run, registry: FakeRegistry, tmp_path: Path) -> None:
    """The program that docker's config names gets it; the file has the registry's name alone."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker-credential-tests"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in store) cat > {tmp_path}/kept;; erase) rm {tmp_path}/kept;; get) cat {tmp_path}/kept;; esac\n'
    )
    program.chmod(0o755)
    config = tmp_path / "home" / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"credsStore": "tests"}))
    path = {"PATH": f"{folder}:/usr/bin:/bin"}

    done = login(typed, registry.place, **path)

    assert done.returncode == 0, done.stderr
    assert "kept in docker-credential-tests, named in ~/.docker/config.json" in done.stderr
    assert json.loads((tmp_path / "kept").read_text())["Secret"] == PASSWORD
    assert PASSWORD not in config.read_text()
    assert run("image", "check", f"{registry.place}/acme/none", **path).returncode == 1
    assert run("logout", registry.place, **path).returncode == 0
    assert not (tmp_path / "kept").exists()


def test_nothing_is_asked_where_nobody_can_answer(run: Run, typed: Run) -> None:
    """Without a terminal a password comes from stdin, and a name with it; a page that is no registry is none."""
    assert "--password-stdin < FILE" in run("login", "ghcr.example.com").stderr
    assert "--password-stdin needs --username" in typed("x", "login", "ghcr.example.com", "--password-stdin").stderr
    assert "is not a registry" in typed("x", "login", "no registry", "-u", "a", "--password-stdin").stderr
    assert "is empty" in typed("", "login", "ghcr.example.com", "-u", "a", "--password-stdin").stderr


def test_a_registry_that_wants_no_login_is_said_so(typed: Run) -> None:
    """Whether the login is right cannot be known there."""
    with FakeRegistry().serve() as place:
        done = login(typed, place)

    assert done.returncode == 0
    assert "did not ask for a login" in done.stderr
