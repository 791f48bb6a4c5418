"""pip's own settings of where packages come from, which uv does not read: pip.conf files and PIP_* variables."""

import os
from collections.abc import Mapping
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.errors import redacted

_WANTED = (
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy", "pre",
    "constraint",
)  # fmt: skip
_ALIASES = {"pypi-url": "index-url"}


@dataclass(frozen=True, slots=True)
class PipSettings:
    """What pip is configured with, with pip's meaning. ``notes`` tell it for a reader, without passwords."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    certificate: str | None = None
    client_certificate: str | None = None
    proxy: str | None = None
    prereleases: bool = False
    constraints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def pip_config_files(environ: Mapping[str, str], *, prefix: Path) -> tuple[Path, ...]:
    """The files that pip reads, the later ones winning; ``prefix`` is that of the Python environment.

    Source: pip documentation, "Configuration", "Location" (Unix).
    """
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return ()
    home = Path(environ.get("HOME", "/nonexistent"))
    system = [
        Path(folder) / "pip/pip.conf" for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if folder
    ]
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    files = [*system, Path("/etc/pip.conf"), home / ".pip/pip.conf", user, prefix / "pip.conf"]
    return (*files, Path(named)) if named else tuple(files)


def read_pip_settings(environ: Mapping[str, str], files: tuple[Path, ...]) -> PipSettings:
    """The settings in ``files`` and in the PIP_* variables of ``environ``.

    As in pip: a later file beats an earlier one, ``[install]`` beats ``[global]``, a variable beats both.
    A file that cannot be read is as if it were absent.
    """
    values: dict[tuple[str, str], tuple[str, str]] = {}
    for file in files:
        for section, key, value in _entries(file):
            values[section, key] = (value, str(file))
    merged = {key: value for (section, key), value in values.items() if section == "global"}
    merged |= {key: value for (section, key), value in values.items() if section == "install"}
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            key = name[4:].lower().replace("_", "-")
            merged[_ALIASES.get(key, key)] = (value, name)
    found = {key: merged[key] for key in _WANTED if key in merged and merged[key][0].strip()}
    one = {key: value for key, (value, _) in found.items()}
    return PipSettings(
        index_url=one.get("index-url"),
        extra_index_urls=_list(one.get("extra-index-url")),
        find_links=_list(one.get("find-links")),
        no_index=_true(one.get("no-index")),
        trusted_hosts=_list(one.get("trusted-host")),
        certificate=one.get("cert"),
        client_certificate=one.get("client-cert"),
        proxy=one.get("proxy"),
        prereleases=_true(one.get("pre")),
        constraints=_list(one.get("constraint")),
        notes=tuple(
            f"{key} {redacted(' '.join(value.split()))} ({origin})"
            for key, (value, origin) in found.items()
            if key not in ("cert", "client-cert", "proxy")  # how an index is reached changes nothing that it says
        ),
    )


def _entries(file: Path) -> list[tuple[str, str, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    import configparser  # 2 ms, where there is such a file

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    entries = []
    for section in ("global", "install"):
        for key, value in parser.items(section) if parser.has_section(section) else ():
            name = key.lower().replace("_", "-")
            entries.append((section, _ALIASES.get(name, name), value))
    return entries


def _list(value: str | None) -> tuple[str, ...]:
    return tuple((value or "").split())


def _true(value: str | None) -> bool:
    return (value or "").strip().lower() in ("y", "yes", "t", "true", "on", "1")
