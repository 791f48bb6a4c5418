"""`imagewright config` shows, explains and changes the settings."""

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

from imagewright.cli.settings import SETTINGS

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_show_prints_toml(run: Run) -> None:
    """What it prints could be a config file."""
    shown = tomllib.loads(run("config", "show").stdout)

    assert list(shown) == [setting.name for setting in SETTINGS]


def test_show_keeps_a_password_to_itself(run: Run) -> None:
    """What a person shows to others when something does not work."""
    mirror = "http://alice:hunter2@mirror.example.com/debian"
    shown = run("config", "show", "--origin", IMAGEWRIGHT_DEBIAN_MIRROR=mirror)

    assert "http://***@mirror.example.com/debian" in shown.stdout
    assert "hunter2" not in shown.stdout + shown.stderr


def test_origin_says_where_each_value_comes_from(run: Run) -> None:
    """As a comment behind it, or a field in JSON."""
    text = run("config", "show", "--origin", IMAGEWRIGHT_REGISTRY="local").stdout
    document = json.loads(run("config", "show", "--origin", "--output", "json", IMAGEWRIGHT_REGISTRY="local").stdout)

    assert any(line.split() == ["registry", "=", '"local"', "#", "IMAGEWRIGHT_REGISTRY"] for line in text.splitlines())
    assert document["registry"] == {"value": "local", "origin": "IMAGEWRIGHT_REGISTRY"}
    assert document["jobs"]["origin"] == "default"


def test_set_changes_the_users_file_and_keeps_the_rest(run: Run) -> None:
    """Two settings, one after the other, are both in force."""
    assert run("config", "set", "registry", "ghcr.example.com/acme").returncode == 0
    assert run("config", "set", "insecure-registries", "a.example.com:5000,b.example.com").returncode == 0

    shown = tomllib.loads(run("config", "show").stdout)
    assert shown["registry"] == "ghcr.example.com/acme"
    assert shown["insecure_registries"] == ["a.example.com:5000", "b.example.com"]


def test_set_project_writes_beside_the_project(run: Run, tmp_path: Path) -> None:
    """It goes into ./imagewright.toml, which counts before the user's own file."""
    run("config", "set", "jobs", "2")
    run("config", "set", "--project", "jobs", "3")

    assert tomllib.loads((tmp_path / "work" / "imagewright.toml").read_text()) == {"jobs": 3}
    assert tomllib.loads(run("config", "show").stdout)["jobs"] == 3


def test_set_refuses_what_cannot_be(run: Run) -> None:
    """An unknown setting and a wrong value change nothing."""
    unknown, wrong = run("config", "set", "job", "3"), run("config", "set", "jobs", "none")

    assert (unknown.returncode, wrong.returncode) == (2, 2)
    assert "did you mean 'jobs'?" in unknown.stderr
    assert not Path(run("config", "path").stdout.strip()).exists()


def test_path_is_the_users_file(run: Run, tmp_path: Path) -> None:
    """On stdout, so that an editor can be given it."""
    assert (
        run("config", "path", XDG_CONFIG_HOME=str(tmp_path / "xdg")).stdout
        == f"{tmp_path}/xdg/imagewright/config.toml\n"
    )
