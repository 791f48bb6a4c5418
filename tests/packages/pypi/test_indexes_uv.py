"""uv's configuration files: which indexes they name."""

from pathlib import Path

from imagewright.packages.pypi.indexes import logins_of
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.indexes_uv import uv_index_urls
from imagewright.packages.pypi.request import Request
from imagewright.packages.target import Target

UV = """\
extra-index-url = ["https://a.example.com/simple"]

[[index]]
name = "mine"
url = "https://me:word@mine.example.com/simple"

[pip]
index-url = "https://pip.example.com/simple"
"""
PROJECT = """\
[[tool.uv.index]]
url = "https://project.example.com/simple"

[[tool.poetry.source]]
name = "acme"
url = "https://acme.example.com/simple"
"""


def environ(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "etc")}


def test_indexes_of_every_file(tmp_path: Path) -> None:
    """The user's uv.toml, and a project's pyproject.toml above the spec's folder; what is no TOML names none."""
    (tmp_path / ".config/uv").mkdir(parents=True)
    (tmp_path / ".config/uv/uv.toml").write_text(UV)
    (tmp_path / "app/src").mkdir(parents=True)
    (tmp_path / "app/pyproject.toml").write_text(PROJECT)
    (tmp_path / "app/src/uv.toml").write_text("no = TOML")

    urls = uv_index_urls(environ(tmp_path), (tmp_path / "app/src",))

    assert urls == [
        "mine=https://me:word@mine.example.com/simple",
        "https://a.example.com/simple",
        "https://pip.example.com/simple",
        "https://project.example.com/simple",
        "acme=https://acme.example.com/simple",
    ]
    assert uv_index_urls({**environ(tmp_path), "UV_NO_CONFIG": "1"}, (tmp_path / "app/src",)) == []


def test_their_logins_are_used_for_downloads(tmp_path: Path, target: Target) -> None:
    """In the URL, or by the index's name in uv's variables; and those of a requirements file's own lines."""
    (tmp_path / "uv.toml").write_text(UV)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    file = tmp_path / "requirements.txt"
    file.write_text("--extra-index-url https://${WHO}:word@lines.example.com/simple\ndemo\n")
    variables = {"UV_INDEX_ACME_USERNAME": "them", "UV_INDEX_ACME_PASSWORD": "word", "WHO": "us"}

    logins = logins_of(
        Request((), target, requirements_file=file, directory=tmp_path),
        PipSettings(),
        {**environ(tmp_path), **variables},
    )

    assert [bool(logins.headers(f"https://{host}.example.com/x.whl")) for host in ("mine", "acme", "lines", "pip")] == [
        True,
        True,
        True,
        False,
    ]
    assert logins.headers("https://lines.example.com/x") == {"Authorization": "Basic dXM6d29yZA=="}
