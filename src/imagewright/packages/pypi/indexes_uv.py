"""uv's own configuration files: where they are, and which indexes they name (uv reads them itself; logins are needed here too)."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def uv_config_files(environ: Mapping[str, str], directory: Path) -> Iterator[Path]:
    """Where uv looks for its configuration. Source: uv documentation, "Configuration files"."""
    home = Path(environ.get("HOME", "/nonexistent"))
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv/uv.toml"
    for system in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"):
        yield Path(system) / "uv/uv.toml"
    yield Path("/etc/uv/uv.toml")
    for folder in (directory.absolute(), *directory.absolute().parents):
        yield folder / "uv.toml"
        yield folder / "pyproject.toml"


def uv_index_urls(environ: Mapping[str, str], directories: tuple[Path, ...]) -> list[str]:
    """The indexes that the configuration files name (Poetry's sources too, which uv is given), as ``name=url`` or ``url``.

    A file that cannot be read names none.
    """
    if environ.get("UV_NO_CONFIG"):
        return []
    named = environ.get("UV_CONFIG_FILE")
    files = [Path(named)] if named else []
    files += [file for directory in directories for file in uv_config_files(environ, directory)]
    return [url for file in dict.fromkeys(files) for url in _urls(file)]


def _urls(file: Path) -> Iterator[str]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return
    poetry = document.get("tool", {}).get("poetry", {})
    table = document.get("tool", {}).get("uv", {}) if file.name == "pyproject.toml" else document
    for place in (table, table.get("pip", {}), {"index": poetry.get("source")}):
        for index in _list(place.get("index")):
            if isinstance(index, dict) and isinstance(index.get("url"), str):
                yield f"{index['name']}={index['url']}" if isinstance(index.get("name"), str) else index["url"]
        for key in ("index-url", "extra-index-url", "find-links"):
            yield from (url for url in _list(place.get(key)) if isinstance(url, str))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
