"""Keeping a login where docker keeps it: in its config file, or with the helper program that this names."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from imagewright.errors import CredentialsError
from imagewright.store.registry.helper import Helper, server_of
from imagewright.store.registry.keychain import docker_file, helper_named, normal_key, parse_config
from imagewright.store.registry.logins import Login
from imagewright.store.registry.tokens import basic


def save_login(environ: Mapping[str, str], home: Path, registry: str, login: Login) -> str:
    """Keep a login as ``docker login`` does; where, as a person would write it.

    REGISTRY_AUTH_FILE counts before docker's own file, as it does when a login is looked for.

    Raises:
        CredentialsError: It cannot be kept; what was there is as it was.
    """
    path, name = _file(environ, home)
    config = _read(path, name)
    if helper := _helper(config, registry, name, environ):
        helper.store(registry, login)
        entry: dict[str, str] = {}
        where = f"{helper.program}, named in {name}"
    else:
        entry = {"auth": basic(login).removeprefix("Basic ")}
        where = name
    auths = {
        key: value for key, value in (config.get("auths") or {}).items() if normal_key(key) != normal_key(registry)
    }
    _write(path, name, {**config, "auths": {**auths, server_of(registry): entry}})
    return where


def erase_login(environ: Mapping[str, str], home: Path, registry: str) -> str:
    """Forget a login as ``docker logout`` does; where it was, or "" when there was none.

    Raises:
        CredentialsError: It cannot be taken out.
    """
    path, name = _file(environ, home)
    config = _read(path, name)
    where = ""
    if (helper := _helper(config, registry, name, environ)) and helper.erase(registry):
        where = f"{helper.program}, named in {name}"
    auths = config.get("auths") or {}
    rest = {key: value for key, value in auths.items() if normal_key(key) != normal_key(registry)}
    if len(rest) < len(auths):
        _write(path, name, {**config, "auths": rest})
        where = where or name
    return where


def _file(environ: Mapping[str, str], home: Path) -> tuple[Path, str]:
    named = environ.get("REGISTRY_AUTH_FILE")
    path = Path(named) if named else docker_file(environ, home)
    return path, f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _helper(config: Mapping[str, Any], registry: str, name: str, environ: Mapping[str, str]) -> Helper | None:
    named = helper_named(config, registry, own=True) or helper_named(config, registry, own=False)
    return Helper(named, name, environ) if named else None


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        return parse_config(name, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(f"cannot read the logins in {name}", code="IW401", why=str(error)) from error


def _write(path: Path, name: str, config: Mapping[str, Any]) -> None:
    """Put the file in place of the old one in one step, for its owner alone; a link stays a link."""
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(json.dumps(config, indent="\t") + "\n")
        part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        what = f"the login cannot be kept in {name}"
        raise CredentialsError(what, code="IW401", why=error.strerror or str(error)) from error
