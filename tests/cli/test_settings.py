"""Where settings come from, and in which order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from imagewright.cli.settings import SETTINGS, Found, Sources, find_settings, project_file, user_file
from imagewright.errors import UsageError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "project" / "deep").mkdir(parents=True)
    return tmp_path


def settle(home: Path, flags: Mapping[str, Any] | None = None, **environ: str) -> Found:
    variables = {"XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config"), **environ}
    return find_settings(flags or {}, Sources(variables, home / "project" / "deep", user_file(variables)))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_said_gives_the_defaults(home: Path) -> None:
    """Every setting has a default, and the cache is in XDG's folder."""
    found = settle(home)

    assert found.settings.cache_dir == home / "cache" / "imagewright"
    assert (found.settings.registry, found.settings.offline, found.settings.timeout) == ("", False, 0)
    assert set(found.origins.values()) == {"default"}


def test_the_order_is_flag_environment_project_user_default(home: Path) -> None:
    """Each source counts before all that come after it."""
    user = write(home / "config" / "imagewright" / "config.toml", 'registry = "user.example.com"\njobs = 7\n')
    assert settle(home).settings.registry == "user.example.com"
    assert settle(home).origins["jobs"] == f"{user}:2"

    project = write(home / "project" / "pyproject.toml", '[tool.imagewright]\nregistry = "project.example.com"\n')
    assert settle(home).settings.registry == "project.example.com"
    assert settle(home).origins["registry"] == f"{project}:2"
    assert settle(home).settings.jobs == 7

    found = settle(home, IMAGEWRIGHT_REGISTRY="environ.example.com")
    assert (found.settings.registry, found.origins["registry"]) == ("environ.example.com", "IMAGEWRIGHT_REGISTRY")

    found = settle(home, {"registry": "local"}, IMAGEWRIGHT_REGISTRY="environ.example.com")
    assert (found.settings.registry, found.origins["registry"]) == ("local", "--registry")


def test_the_nearest_project_file_counts(home: Path) -> None:
    """Going up, imagewright.toml counts before pyproject.toml, and one without our table is passed by."""
    outer = write(home / "project" / "imagewright.toml", "jobs = 5\n")
    write(home / "project" / "pyproject.toml", "[tool.imagewright]\njobs = 6\n")
    write(home / "project" / "deep" / "pyproject.toml", '[project]\nname = "deep"\n')

    assert project_file(home / "project" / "deep") == outer
    assert settle(home).settings.jobs == 5


def test_a_folder_in_a_project_file_is_relative_to_the_file(home: Path) -> None:
    """Where the command runs makes no difference."""
    write(home / "project" / "imagewright.toml", 'cache_dir = ".cache"\n')

    assert settle(home).settings.cache_dir == home / "project" / ".cache"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("offline", "yes", True),
        ("offline", "0", False),
        ("jobs", "12", 12),
        ("insecure_registries", "a.example.com:5000, b.example.com", ("a.example.com:5000", "b.example.com")),
        ("registry", "https://ghcr.example.com/acme/", "ghcr.example.com/acme"),
        ("cache_dir", "/somewhere/../cache", Path("/somewhere/../cache")),
    ],
)
def test_a_variable_is_read_as_its_settings_type(home: Path, name: str, text: str, value: object) -> None:
    """Text from the environment becomes the type that the program works with."""
    found = settle(home, {}, **{f"IMAGEWRIGHT_{name.upper()}": text})

    assert getattr(found.settings, name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("offline", "perhaps"),
        ("jobs", "0"),
        ("jobs", "many"),
        ("timeout", "-1"),
        ("progress", "loud"),
        ("output", "xml"),
        ("cache_dir", ""),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_origin(home: Path, name: str, text: str) -> None:
    """The error names the variable and the value."""
    variable = f"IMAGEWRIGHT_{name.upper()}"

    with pytest.raises(UsageError) as caught:
        settle(home, {}, **{variable: text})

    assert variable in caught.value.what
    assert repr(text) in caught.value.what


def test_a_wrong_type_in_a_file_is_shown_at_its_line(home: Path) -> None:
    """The error points to the line of the file."""
    write(home / "project" / "imagewright.toml", '# ours\njobs = true\nregistry = "local"\n')

    with pytest.raises(UsageError) as caught:
        settle(home)

    assert caught.value.where is not None
    assert (caught.value.where.line, caught.value.where.text) == (2, "jobs = true")


def test_an_unknown_setting_is_refused_with_the_nearest(home: Path) -> None:
    """A misspelt setting is never passed over in silence."""
    write(home / "project" / "pyproject.toml", '[tool.imagewright]\nregistri = "local"\n')

    with pytest.raises(UsageError) as caught:
        settle(home)

    assert caught.value.fix == ("did you mean 'registry'?",)


@pytest.mark.parametrize("text", ["jobs = \n", "jobs = 1 2\n"])
def test_a_broken_file_is_named(home: Path, text: str) -> None:
    """The file and the parser's own words are in the error."""
    path = write(home / "config" / "imagewright" / "config.toml", text)

    with pytest.raises(UsageError, match="is not TOML") as caught:
        settle(home)

    assert str(path) in caught.value.what
    assert "line 1" in caught.value.why[0]


def test_every_setting_says_what_it_is() -> None:
    """No setting is without words."""
    assert all(setting.meaning for setting in SETTINGS)
