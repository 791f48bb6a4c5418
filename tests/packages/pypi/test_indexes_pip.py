"""pip's settings, read as pip reads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagewright.packages.pypi.indexes_pip import PipSettings, pip_config_files, read_pip_settings


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which all of pip's own files are under the test's folder."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": f"{tmp_path}/xdg", "PATH": os.environ["PATH"]}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_nothing_configured(environ: dict[str, str], tmp_path: Path) -> None:
    """No file and no variable give no setting and no note."""
    files = [file for file in pip_config_files(environ, prefix=tmp_path / "venv") if file.is_relative_to(tmp_path)]

    assert read_pip_settings(environ, tuple(files)) == PipSettings()


def test_later_files_and_variables_win(environ: dict[str, str], tmp_path: Path) -> None:
    """A user's file beats the system's, [install] beats [global], a variable beats all; notes say where from."""
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://a.example.com\n[install]\npre = yes\n")
    write(
        tmp_path / ".config/pip/pip.conf",
        "[global]\nindex_url = https://user:word@b.example.com\nfind-links =\n    /one\n    /two\npre = no\n",
    )
    environ |= {"PIP_EXTRA_INDEX_URL": "https://c.example.com https://d.example.com", "PIP_NO_INDEX": "0"}
    files = [file for file in pip_config_files(environ, prefix=tmp_path / "venv") if file.is_relative_to(tmp_path)]

    settings = read_pip_settings(environ, tuple(files))

    assert settings.index_url == "https://user:word@b.example.com"
    assert settings.find_links == ("/one", "/two")
    assert settings.extra_index_urls == ("https://c.example.com", "https://d.example.com")
    assert settings.prereleases
    assert not settings.no_index
    assert settings.notes[:3] == (
        f"index-url https://***@b.example.com ({tmp_path}/.config/pip/pip.conf)",
        "extra-index-url https://c.example.com https://d.example.com (PIP_EXTRA_INDEX_URL)",
        f"find-links /one /two ({tmp_path}/.config/pip/pip.conf)",
    )


def test_a_named_file_comes_last_and_devnull_means_none(environ: dict[str, str], tmp_path: Path) -> None:
    """PIP_CONFIG_FILE adds a file; os.devnull takes all away."""
    named = pip_config_files({**environ, "PIP_CONFIG_FILE": "/somewhere/pip.conf"}, prefix=tmp_path)

    assert named[-1] == Path("/somewhere/pip.conf")
    assert pip_config_files({**environ, "PIP_CONFIG_FILE": os.devnull}, prefix=tmp_path) == ()


def test_a_broken_file_is_as_if_absent(environ: dict[str, str], tmp_path: Path) -> None:
    """Neither bad syntax nor bad bytes stop a build."""
    write(tmp_path / "a", "index-url = https://example.com\n")
    (tmp_path / "b").write_bytes(b"\xff\xfe[global]")

    assert read_pip_settings(environ, (tmp_path / "a", tmp_path / "b", tmp_path)) == PipSettings()


@pytest.mark.tool
def test_pip_reads_the_same(environ: dict[str, str], tmp_path: Path) -> None:
    """`pip config` of this interpreter agrees on which value wins and on which files there are."""
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://a.example.com\ntrusted-host = a.example.com\n")
    write(tmp_path / ".pip/pip.conf", "[global]\nindex-url = https://legacy.example.com\n")
    write(tmp_path / ".config/pip/pip.conf", "[install]\nextra-index-url = https://e.example.com\n")
    environ["PIP_FIND_LINKS"] = "/links"

    def pip_says(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "pip", "config", *arguments]
        said = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if "No module named pip" in said.stderr:
            pytest.skip("this interpreter has no pip")
        return said.stdout.splitlines()

    settings = read_pip_settings(environ, pip_config_files(environ, prefix=Path(sys.prefix)))

    assert [settings.index_url] == pip_says("get", "global.index-url") == ["https://legacy.example.com"]
    listed = pip_says("list")
    assert f"install.extra-index-url={settings.extra_index_urls[0]!r}" in listed
    assert f":env:.find-links={settings.find_links[0]!r}" in listed
    assert f"global.trusted-host={settings.trusted_hosts[0]!r}" in listed
