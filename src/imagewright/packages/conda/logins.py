"""Logins for conda channels that rattler's tools have stored: for the files, as py-rattler reads them for the index."""

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VARIABLE = "RATTLER_AUTH_FILE"
_DEFAULT = ".rattler/credentials.json"


class StoredLogins:
    """What the file of logins says: hosts, or ``*.`` and a domain, and a login for each.

    Source: rattler's documentation, "Authentication", the format of RATTLER_AUTH_FILE. A file that is not there, or
    says something else, has none: the channel then says that it wants a login.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        named = environ.get(VARIABLE)
        self._file = Path(named) if named else Path(environ.get("HOME", "/nonexistent")) / _DEFAULT

    def headers(self, url: str) -> dict[str, str]:
        """The login for a URL, as a request has it."""
        login = self._login(url)
        match login.get("BasicHTTP"):
            case {"username": str(user), "password": str(password)}:
                return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
        bearer = login.get("BearerToken")
        return {"Authorization": f"Bearer {bearer}"} if isinstance(bearer, str) else {}

    def located(self, url: str) -> str:
        """The URL with the token that goes into its path."""
        token = self._login(url).get("CondaToken")
        parts = urlsplit(url)
        if not isinstance(token, str) or parts.path.startswith("/t/"):
            return url
        return parts._replace(path=f"/t/{token}{parts.path}").geturl()

    def _login(self, url: str) -> Mapping[str, Any]:
        host = urlsplit(url).netloc.rpartition("@")[2]
        names = [host, host.partition(":")[0]]
        parts = names[1].split(".")
        names += ["*." + ".".join(parts[at:]) for at in range(len(parts) - 1)]
        found = (self._logins.get(name) for name in names)
        return next((login for login in found if isinstance(login, dict)), {})

    @cached_property
    def _logins(self) -> Mapping[str, Any]:
        try:
            document = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}
