"""What a person hears when a registry wants a login, or refuses the one that it got."""

import json
from collections.abc import Sequence
from typing import Literal

from imagewright.errors import CredentialsError, redacted
from imagewright.store.registry.logins import Login, NoLogin
from imagewright.transport import Response

Aim = Literal["push to", "pull from"]


class TokenRefused(Exception):
    """A registry's token server refused, with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def refusal(
    aim: Aim, registry: str, repository: str, login: Login | NoLogin, response: Response, *, known: bool = False
) -> CredentialsError:
    """The error for a 401 or 403, or for what a token server answered. ``known``: that server took the login before."""
    if isinstance(login, NoLogin):
        return _stranger(aim, registry, repository, login, response)
    said = quoted(response)
    name = f"'{login.username}'" if login.username else "the owner of a token"
    if response.status in (400, 401) and not known:
        what = f"{registry} does not accept the login of {name} ({login.source})"
        return CredentialsError(what, code="IW401", why=said, fix=log_in(registry))
    if not repository:
        what = f"{registry} knows you as {name} ({login.source}), and refuses"
        return CredentialsError(what, code="IW403", why=said)
    what = f"{registry} knows you as {name} ({login.source}) but refuses the {aim} {repository}"
    right = "write" if aim == "push to" else "read"
    fix = f"{name} needs {right} access to {repository}"
    if registry == "ghcr.io":
        fix = f"the token needs scope {right}:packages, and {fix.replace('needs ', '')}"
    return CredentialsError(what, code="IW403", why=said, fix=fix)


def _stranger(aim: Aim, registry: str, repository: str, login: NoLogin, response: Response) -> CredentialsError:
    where = _lines("looked in: ", login.looked_in) or ("no place was given to look in",)
    if response.status == 403:
        what = f"{registry} refuses the {aim} {repository} without a login, and none was found"
        return CredentialsError(what, code="IW403", why=(*quoted(response), *where), fix=log_in(registry))
    what = f"{registry} wants a login to {aim.split()[0]} {repository}, and none was found"
    return CredentialsError(what, code="IW401", why=where, fix=log_in(registry))


def log_in(registry: str) -> str:
    """What to type."""
    return f"docker login {registry}          or: imagewright login {registry}"


def quoted(response: Response) -> tuple[str, ...]:
    """The registry's own words, as a line of an error, or nothing.

    Source: OCI distribution-spec v1.1, "Error Codes".
    """
    try:
        errors = json.loads(response.body)["errors"]
        words = "; ".join(
            ": ".join(filter(None, (str(e.get("code", "")).lower(), str(e.get("message", ""))))) for e in errors
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        words = response.body[:200].decode(errors="replace")
    words = redacted(" ".join(words.split()))[:300]
    return (f"it said: {words}",) if words else ()


def _lines(head: str, parts: Sequence[str]) -> tuple[str, ...]:
    return (head + ", ".join(parts),) if parts else ()
