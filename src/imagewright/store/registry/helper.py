"""Programs that keep logins: ``docker-credential-NAME``, which config files and clouds name."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from imagewright.errors import CredentialsError
from imagewright.oci.reference import DEFAULT_REGISTRY
from imagewright.store.registry.logins import Login

HELPER_SECONDS = 30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SAID = 300  # letters of what a program said that an error may quote


class Helper:
    """One helper program; ``named_in`` says who names it, as a person would write it. ``environ`` is what it runs in.

    Source: docker-credential-helpers, "Development": a word as argument, the server's address or JSON on stdin.
    """

    def __init__(self, name: str, named_in: str, environ: Mapping[str, str]) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CredentialsError(f"{named_in} names a helper that is no program's name: {name!r}", code="IW401")
        self.program = f"docker-credential-{name}"
        self._named_in, self._environ = named_in, environ

    def get(self, registry: str) -> Login | None:
        """The login that it has for a registry, or None when it says that it has none.

        Raises:
            CredentialsError: It cannot be run, fails, or says something else than a login.
        """
        code, out, err = self._run("get", registry, server_of(registry))
        if code and "credentials not found" in out + err:
            return None
        try:
            document: Any = json.loads(out) if code == 0 else None
        except ValueError as error:  # its text has no part of what the helper said
            raise self._failed("gave no login", registry, str(error)) from error
        if not isinstance(document, dict):
            # What a program prints when it fails is no secret; what it prints when it succeeds may be one.
            raise self._failed("gave no login", registry, (out or err).strip()[:_SAID] if code else "not a JSON object")
        username, secret = str(document.get("Username") or ""), str(document.get("Secret") or "")
        source = f"{self.program}, named in {self._named_in}"
        if not secret:
            return None
        return Login("", "", source, secret) if username == "<token>" else Login(username, secret, source)

    def store(self, registry: str, login: Login) -> None:
        """Have it keep a login.

        Raises:
            CredentialsError: It does not.
        """
        document = {
            "ServerURL": server_of(registry),
            "Username": login.username if not login.identity_token else "<token>",
            "Secret": login.identity_token or login.password,
        }
        code, out, err = self._run("store", registry, json.dumps(document))
        if code:
            raise self._failed("does not keep the login", registry, (out or err).strip()[:_SAID])

    def erase(self, registry: str) -> bool:
        """Have it forget a login; False when it had none.

        Raises:
            CredentialsError: It does not.
        """
        code, out, err = self._run("erase", registry, server_of(registry))
        if code and "credentials not found" in out + err:
            return False
        if code:
            raise self._failed("does not forget the login", registry, (out or err).strip()[:_SAID])
        return True

    def _run(self, verb: str, registry: str, text: str) -> tuple[int, str, str]:
        import subprocess  # only here: most logins need no helper, and it is slow to import

        try:
            done = subprocess.run(
                [program_at(self.program, self._environ) or self.program, verb],
                input=text,
                capture_output=True,
                text=True,
                timeout=HELPER_SECONDS,
                check=False,
                env=dict(self._environ) or None,
            )
        except FileNotFoundError as error:
            raise self._failed("is not installed", registry, f"no {self.program} on PATH") from error
        except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
            why = f"no answer within {HELPER_SECONDS}s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
            raise self._failed("gave no login" if verb == "get" else "failed", registry, why) from error
        return done.returncode, done.stdout, done.stderr

    def _failed(self, what: str, registry: str, why: str) -> CredentialsError:
        return CredentialsError(
            f"{self.program}, which {self._named_in} names for {registry}, {what}",
            code="IW401",
            why=why,
            fix=f"echo {server_of(registry)} | {self.program} get",
        )


def server_of(registry: str) -> str:
    """What helpers and config files call a registry: docker.io has a name from long ago."""
    return "https://index.docker.io/v1/" if registry == DEFAULT_REGISTRY else registry


def program_at(name: str, environ: Mapping[str, str]) -> str | None:
    """The path of a program on the PATH of ``environ``, or None."""
    for folder in (environ.get("PATH") or os.defpath).split(os.pathsep):
        path = os.path.join(folder or ".", name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None
