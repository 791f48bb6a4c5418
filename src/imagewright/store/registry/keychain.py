"""Logins for registries, where docker and podman keep them."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from imagewright.dataclass import dataclass
from imagewright.errors import CredentialsError
from imagewright.oci.reference import DEFAULT_REGISTRY

HELPER_SECONDS = 30
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True, slots=True)
class Login:
    """A user at a registry. ``source`` says where it was found, as a person would write it.

    With ``identity_token`` that is what tokens are asked for with, and the password is "".
    """

    username: str
    password: str = field(repr=False)
    source: str
    identity_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NoLogin:
    """There is no login: ``looked_in`` names the places, each with what was found there."""

    looked_in: tuple[str, ...]


class Credentials(Protocol):
    """Knows logins."""

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """The login for a repository.

        Raises:
            CredentialsError: A place cannot be read, or a helper program fails.
        """
        ...


class Anonymous:
    """Knows no login."""

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """No login."""
        return NoLogin(())


class Keychain:
    """Docker's and podman's files, read anew each time that a registry asks for a login. First hit wins:

    ``explicit``, DOCKER_AUTH_CONFIG (the JSON itself), REGISTRY_AUTH_FILE, config.json in DOCKER_CONFIG or ~/.docker,
    then containers/auth.json in XDG_RUNTIME_DIR and in XDG_CONFIG_HOME or ~/.config.
    This is the one place below the command line that reads environment variables: ``environ`` is the process's.
    """

    def __init__(self, environ: Mapping[str, str], home: Path, *, explicit: Login | None = None) -> None:
        self._environ, self._home, self._explicit = environ, home, explicit

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """The login for a repository."""
        if self._explicit is not None:
            return self._explicit
        looked_in = []
        for name, text in self._places():
            if text is None:
                looked_in.append(f"{name} ({'absent' if '/' in name else 'unset'})")
                continue
            config = _parse(name, text)
            login = _from_auths(config, registry, repository, name) or _from_helper(config, registry, name)
            if login is not None:
                return login
            entries = len(config.get("auths") or {})
            looked_in.append(f"{name} ({entries} {'entry' if entries == 1 else 'entries'}, none for {registry})")
        return NoLogin(tuple(looked_in))

    def _places(self) -> Iterator[tuple[str, str | None]]:
        """The name of each place, and its JSON when it is there."""
        environ = self._environ
        yield "DOCKER_AUTH_CONFIG", environ.get("DOCKER_AUTH_CONFIG") or None
        if path := environ.get("REGISTRY_AUTH_FILE"):
            yield self._file(Path(path))
        yield self._file(Path(environ.get("DOCKER_CONFIG") or self._home / ".docker") / "config.json")
        if folder := environ.get("XDG_RUNTIME_DIR"):
            yield self._file(Path(folder) / "containers" / "auth.json")
        yield self._file(Path(environ.get("XDG_CONFIG_HOME") or self._home / ".config") / "containers" / "auth.json")

    def _file(self, path: Path) -> tuple[str, str | None]:
        name = f"~/{path.relative_to(self._home)}" if path.is_relative_to(self._home) else str(path)
        try:
            return name, path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return name, None
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsError(f"cannot read the logins in {name}", code="IW401", why=str(error)) from error


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:  # its text has no part of the document
        raise CredentialsError(f"the logins in {name} are not JSON", code="IW401", why=str(error)) from error
    if not isinstance(config, dict) or not isinstance(config.get("auths") or {}, dict):
        raise CredentialsError(f"the logins in {name} are not what docker writes", code="IW401")
    return config


def _from_auths(config: Mapping[str, Any], registry: str, repository: str, name: str) -> Login | None:
    """The entry of ``auths`` whose key is the longest that the repository is under."""
    wanted = [*_normal(registry).split("/"), *repository.split("/")]
    best: tuple[int, Any] = (0, None)
    for key, entry in (config.get("auths") or {}).items():
        parts = _normal(key).split("/")
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
                fix=f"docker login {registry}",
            ) from error
    token = str(entry.get("identitytoken") or "")
    return Login(username, password.rstrip("\0"), name, token) if username or token else None


def _from_helper(config: Mapping[str, Any], registry: str, name: str) -> Login | None:
    """What the helper program says that the config names for this registry, if it names one."""
    helpers = config.get("credHelpers")
    helper = helpers.get(registry) if isinstance(helpers, dict) else None
    helper = helper or config.get("credsStore")
    if not helper:
        return None
    program = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(str(helper)):
        raise CredentialsError(f"{name} names a helper that is no program's name: {helper!r}", code="IW401")
    import subprocess  # only here: most logins need no helper, and it is slow to import

    server = "https://index.docker.io/v1/" if registry == DEFAULT_REGISTRY else registry
    try:
        done = subprocess.run(
            [program, "get"], input=server, capture_output=True, text=True, timeout=HELPER_SECONDS, check=False
        )
        if done.returncode != 0 and "credentials not found" in done.stdout + done.stderr:
            return None
        document = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        # A ValueError of json has no part of what the helper said.
        raise _helper_failed(program, registry, name, str(error)) from error
    if not isinstance(document, dict):
        raise _helper_failed(program, registry, name, (done.stdout or done.stderr).strip()[:300])
    username, secret = str(document.get("Username", "")), str(document.get("Secret", ""))
    source = f"{program}, named in {name}"
    return Login("", "", source, secret) if username == "<token>" else Login(username, secret, source)


def _helper_failed(program: str, registry: str, name: str, why: str) -> CredentialsError:
    return CredentialsError(
        f"{program}, which {name} names for {registry}, gave no login",
        code="IW401",
        why=why,
        fix=f"echo {registry} | {program} get",
    )


def _normal(key: str) -> str:
    """A key of ``auths`` as ``host[:port][/path]``: docker writes some as ``https://host/v1/``."""
    text = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = text.partition("/")
    host = DEFAULT_REGISTRY if host in _DOCKER_HUB else host.lower()
    return host if path in ("", "v1", "v2") else f"{host}/{path}"
