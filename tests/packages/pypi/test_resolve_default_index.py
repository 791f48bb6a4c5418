"""uv believes its default index as long as that says, and nobody's own configuration is touched."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.packages.pypi.resolve_default_index import default_index_config
from imagewright.packages.pypi.resolve_uv import Uv

HELP = """#!/bin/sh
echo asked >> "$(dirname "$0")/asked"
cat <<'END'
      --index <INDEX>
          Other indexes
      --default-index <DEFAULT_INDEX>
          The default package index (by default: <https://index.example.com/simple>) [env: UV_DEFAULT_INDEX]
END
"""


@pytest.fixture
def plain_uv(tmp_path: Path) -> Uv:
    """A uv that nobody has configured."""
    program = tmp_path / "uv"
    program.write_text(HELP)
    program.chmod(0o755)
    (tmp_path / "work").mkdir()
    return Uv(
        tmp_path / "cache", {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": f"{tmp_path}/xdg"}, executable=str(program)
    )


def test_uvs_own_default_index_is_believed(plain_uv: Uv, tmp_path: Path) -> None:
    """Ten minutes for its pages, for good for its files; uv is asked for the address once."""
    first = default_index_config(plain_uv, {}, tmp_path / "work")
    second = default_index_config(plain_uv, {}, tmp_path / "work")

    assert first is not None
    assert first == second
    assert tomllib.loads(first.read_text())["index"] == [
        {
            "url": "https://index.example.com/simple",
            "default": True,
            "cache-control": {"api": "max-age=600", "files": "max-age=365000000, immutable"},
        }
    ]
    assert (tmp_path / "asked").read_text() == "asked\n"


@pytest.mark.parametrize("damage", [b"", b"[[index]]\nurl = ", b"\xff"])
def test_a_damaged_configuration_is_written_anew(plain_uv: Uv, tmp_path: Path, damage: bytes) -> None:
    """Else uv would refuse every resolve because of a file that nobody knows of."""
    config = default_index_config(plain_uv, {}, tmp_path)
    assert config is not None
    text = config.read_bytes()
    config.write_bytes(damage)

    assert default_index_config(plain_uv, {}, tmp_path) == config
    assert config.read_bytes() == text


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE", "UV_NO_CONFIG"])
def test_another_default_is_left_alone(plain_uv: Uv, tmp_path: Path, name: str) -> None:
    """What is known of one index is not said of another, whoever named it."""
    assert default_index_config(plain_uv, {name: "something"}, tmp_path / "work") is None
    assert default_index_config(replace(plain_uv, environ={**plain_uv.environ, name: "x"}), {}, tmp_path) is None


@pytest.mark.parametrize(
    ("file", "text", "used"),
    [
        (".config/uv/uv.toml", "", False),
        ("xdg/uv/uv.toml", "", False),
        ("work/uv.toml", "", False),
        ("pyproject.toml", "[tool.uv]\n", False),
        ("pyproject.toml", "[tool.ruff]\n", True),
    ],
)
def test_a_configuration_of_uv_stays_in_force(plain_uv: Uv, tmp_path: Path, file: str, text: str, used: bool) -> None:
    """A file that is given to uv replaces the ones that it finds, so it is given where there is none."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)

    assert (default_index_config(plain_uv, {}, tmp_path / "work") is not None) == used


def test_a_uv_that_says_nothing(plain_uv: Uv, tmp_path: Path) -> None:
    """Without an address there is no configuration."""
    Path(plain_uv.executable).write_text("#!/bin/sh\necho 'no such help'\n")

    assert default_index_config(plain_uv, {}, tmp_path / "work") is None


def test_the_uv_that_is_installed_tells_its_address(tmp_path: Path) -> None:
    """The real help text has it."""
    uv = Uv(tmp_path / "cache", {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path)})

    config = default_index_config(uv, {}, tmp_path)

    assert config is not None
    (index,) = tomllib.loads(config.read_text())["index"]
    assert index["url"].startswith("https://")
