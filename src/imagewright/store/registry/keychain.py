"""Logins for registries, where docker and podman keep them."""

import base64
import binascii
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imagewright.errors import CredentialsError
from imagewright.oci.reference import DEFAULT_REGISTRY
from imagewright.store.registry.helper import Helper
from imagewright.store.registry.logins import Login, NoLogin

_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


class Keychain:
    """Docker's and podman's files, read anew each time that a registry asks for a login. First hit wins:

    ``explicit``, DOCKER_AUTH_CONFIG (the JSON itself), REGISTRY_AUTH_FILE, config.json in DOCKER_CONFIG or ~/.docker,
    then containers/auth.json in XDG_RUNTIME_DIR (without that, podman's file under ``run``) and in XDG_CONFIG_HOME or
    ~/.config.
    With `ambient.Ambient` this is the one place below the command line that reads environment variables: ``environ``
    is the process's, and that of helper programs.
    """

    def __init__(
        self, environ: Mapping[str, str], home: Path, *, explicit: Login | None = None, run: Path = Path("/run")
    ) -> None:
        self._environ, self._home, self._explicit, self._run = environ, home, explicit, run

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """The login for a repository."""
        if self._explicit is not None:
            return self._explicit
        looked_in = []
        for name, text in self._places():
            if text is None:
                looked_in.append(f"{name} ({'absent' if '/' in name else 'unset'})")
                continue
            config = parse_config(name, text)
            login = self._find(name, config, registry, repository)
            if login is not None:
                return login
            looked_in.append(f"{name} ({_summary(config, registry)}, none for {registry})")
        return NoLogin(tuple(looked_in))

    def _find(self, name: str, config: Mapping[str, Any], registry: str, repository: str) -> Login | None:
        """As docker looks: a helper that is named for this registry, then the file's own entries, then the store of all.

        docker has an empty entry in the file for what its store keeps, so entries with nothing in them do not count.
        """
        if named := helper_named(config, registry, own=True):
            return Helper(named, name, self._environ).get(registry)
        if login := _from_auths(config, registry, repository, name):
            return login
        store = helper_named(config, registry, own=False)
        return Helper(store, name, self._environ).get(registry) if store else None

    def _places(self) -> Iterator[tuple[str, str | None]]:
        """The name of each place, and its JSON when it is there."""
        environ = self._environ
        yield "DOCKER_AUTH_CONFIG", environ.get("DOCKER_AUTH_CONFIG") or None
        if named := environ.get("REGISTRY_AUTH_FILE"):
            yield self._file(Path(named))
        yield self._file(docker_file(environ, self._home))
        if folder := environ.get("XDG_RUNTIME_DIR"):
            yield self._file(Path(folder) / "containers" / "auth.json")
        elif (path := self._run / "containers" / str(os.getuid()) / "auth.json").is_file():
            yield self._file(path)
        yield self._file(Path(environ.get("XDG_CONFIG_HOME") or self._home / ".config") / "containers" / "auth.json")

    def _file(self, path: Path) -> tuple[str, str | None]:
        name = f"~/{path.relative_to(self._home)}" if path.is_relative_to(self._home) else str(path)
        try:
            return name, path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return name, None
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsError(f"cannot read the logins in {name}", code="IW401", why=str(error)) from error


def _summary(config: Mapping[str, Any], registry: str) -> str:
    """What there is in a config: its entries, and the helper that it names for the registry."""
    entries = len(config.get("auths") or {})
    helper = helper_named(config, registry, own=True) or helper_named(config, registry, own=False)
    also = f" and docker-credential-{helper}" if helper else ""
    return f"{entries} {'entry' if entries == 1 else 'entries'}{also}"


def docker_file(environ: Mapping[str, str], home: Path) -> Path:
    """docker's own config file, which need not be there."""
    return Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def helper_named(config: Mapping[str, Any], registry: str, *, own: bool) -> str:
    """The helper that a config names for one registry (``own``), or for all of them; "" when it names none."""
    if not own:
        return config.get("credsStore") or ""
    helpers = config.get("credHelpers")
    named = helpers.items() if isinstance(helpers, dict) else ()
    return next((helper for key, helper in named if helper and normal_key(key) == normal_key(registry)), "")


def parse_config(name: str, text: str) -> dict[str, Any]:
    """The config that ``text`` is; ``name`` is for errors.

    Raises:
        CredentialsError: It is something else.
    """
    try:
        config = json.loads(text)
    except ValueError as error:  # its text has no part of the document
        raise CredentialsError(f"the logins in {name} are not JSON", code="IW401", why=str(error)) from error
    except RecursionError as error:
        raise CredentialsError(f"the logins in {name} are not what docker writes", code="IW401") from error
    if not isinstance(config, dict) or not isinstance(config.get("auths") or {}, dict):
        raise CredentialsError(f"the logins in {name} are not what docker writes", code="IW401")
    return config


def _from_auths(config: Mapping[str, Any], registry: str, repository: str, name: str) -> Login | None:
    """The entry of ``auths`` whose key is the longest that the repository is under."""
    wanted = [*normal_key(registry).split("/"), *repository.split("/")]
    best: tuple[int, Any] = (0, None)
    for key, entry in (config.get("auths") or {}).items():
        parts = normal_key(key).split("/")
        if wanted[: len(parts)] == parts and len(parts) > best[0] and isinstance(entry, dict) and entry:
            best = (len(parts), entry)
    entry = best[1]
    if entry is None:
        return None
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if auth := entry.get("auth"):
        try:
            username, _, password = base64.b64decode(auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, TypeError) as error:
            raise CredentialsError(
                f"the login for {registry} in {name} cannot be read",
                code="IW401",
                why="its 'auth' is not base64 of user:password",
                fix=f"imagewright login {registry}",
            ) from error
    token, ready = str(entry.get("identitytoken") or ""), str(entry.get("registrytoken") or "")
    known = username or token or ready
    return Login(username, password.rstrip("\0"), name, token, ready) if known else None


def normal_key(key: str) -> str:
    """A key of ``auths`` as ``host[:port][/path]``: docker writes some as ``https://host/v1/``."""
    text = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = text.partition("/")
    host = DEFAULT_REGISTRY if host in _DOCKER_HUB else host.lower()
    return host if path in ("", "v1", "v2") else f"{host}/{path}"
