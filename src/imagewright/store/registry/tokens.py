"""Bearer tokens: got from a registry's token server, and kept until they end."""

import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any
from urllib.parse import urlencode, urlsplit

from imagewright.dataclass import dataclass
from imagewright.errors import NetworkError, redacted
from imagewright.store.registry.logins import Login, NoLogin
from imagewright.store.registry.refusal import TokenRefused
from imagewright.transport import Response, Transport

LEAST_SECONDS = 60.0
"""How long a token is good that does not say it. Source: distribution's "Token Authentication Specification"."""

MARGIN_SECONDS = 10.0  # a token that ends so soon is not begun with: a request takes its time

Scopes = frozenset[str]


@dataclass(frozen=True, slots=True)
class Realm:
    """A token server, and the service that its tokens are for."""

    url: str
    service: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and when it ends on the transport's clock."""

    value: str = field(repr=False)
    ends: float


class Tokens:
    """The tokens of one registry, by realm and scopes. Safe to share between threads."""

    def __init__(self, registry: str, transport: Transport) -> None:
        self._registry, self._transport = registry, transport
        self._secure = transport.origin(registry).startswith("https:")
        self._lock = threading.Lock()
        self._kept: dict[tuple[Realm, Scopes], Token] = {}

    def kept(self, realm: Realm, scopes: Scopes) -> str | None:
        """A token that was got before and is good for all of ``scopes`` for some time still."""
        now = self._transport.now()
        with self._lock:
            for (where, has), token in self._kept.items():
                if where == realm and covers(has, scopes) and now < token.ends:
                    return token.value
        return None

    def forget(self, value: str) -> None:
        """Not to use a token again, which the registry did not take."""
        with self._lock:
            self._kept = {key: token for key, token in self._kept.items() if token.value != value}

    def get(self, realm: Realm, scopes: Scopes, login: Login | NoLogin) -> str:
        """A new token; without a login, an anonymous one. One request, to the token server.

        Source: distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".

        Raises:
            TokenRefused: The server does not take the login, or grants nothing.
            NetworkError: It does not answer, answers without a token, or is at a place that a login is not sent to.
        """
        self._check(realm)
        asked = self._transport.now()
        for _ in range(2):  # an answer that cannot be read is asked for once more
            response = self._ask(realm, scopes, login)
            if response.status != 200:
                raise TokenRefused(response)
            if (token := _read(response, asked)) is not None:
                with self._lock:
                    self._kept[realm, scopes] = token
                return token.value
        what = f"the token server of {self._registry} answered without a token"
        raise NetworkError(what, code="IW503", why=redacted(realm.url))

    def _ask(self, realm: Realm, scopes: Scopes, login: Login | NoLogin) -> Response:
        ok = (200, 400, 401, 403, 404)
        query = [("service", realm.service)] if realm.service else []
        if isinstance(login, Login) and login.identity_token:
            form = [("grant_type", "refresh_token"), ("client_id", "imagewright"), *query]
            form += [("scope", " ".join(sorted(scopes))), ("refresh_token", login.identity_token)]
            headers = {"content-type": "application/x-www-form-urlencoded"}
            return self._transport.request("POST", realm.url, headers=headers, content=urlencode(form).encode(), ok=ok)
        query += [("scope", scope) for scope in sorted(scopes)]
        if isinstance(login, Login):
            query.append(("account", login.username))
        headers = {"authorization": basic(login)} if isinstance(login, Login) else {}
        joint = "&" if "?" in realm.url else "?"
        return self._transport.request("GET", f"{realm.url}{joint}{urlencode(query)}", headers=headers, ok=ok)

    def _check(self, realm: Realm) -> None:
        """A registry may name any token server; a login goes there in the open only where it goes so to the registry."""
        parts = urlsplit(realm.url)
        plain = self._transport.origin(parts.netloc.rpartition("@")[2]).startswith("http:")
        if parts.scheme == "https" or (parts.scheme == "http" and plain and not self._secure):
            return
        what = f"{self._registry} sends logins to a place without TLS"
        raise NetworkError(what, code="IW503", why=f"its token server is {redacted(realm.url)}")


def covers(has: Scopes, wanted: Collection[str]) -> bool:
    """Whether scopes (``repository:acme/demo:pull,push``) hold all that others do."""
    rights = _rights(has)
    return all(actions <= rights.get(resource, set()) for resource, actions in _rights(wanted).items())


def merged(*several: Collection[str]) -> Scopes:
    """Scopes that hold all of these, each resource once."""
    rights: dict[str, set[str]] = {}
    for scopes in several:
        for resource, actions in _rights(scopes).items():
            rights.setdefault(resource, set()).update(actions)
    return frozenset(f"{resource}:{','.join(sorted(actions))}" for resource, actions in rights.items())


def basic(login: Login) -> str:
    """The value of ``Authorization`` for a user and password."""
    from base64 import b64encode

    return "Basic " + b64encode(f"{login.username}:{login.password}".encode()).decode()


def _rights(scopes: Collection[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for scope in scopes:
        resource, _, actions = scope.rpartition(":")
        found.setdefault(resource, set()).update(actions.split(","))
    return found


def _read(response: Response, asked: float) -> Token | None:
    try:
        document: Mapping[str, Any] = json.loads(response.body)
        value = document.get("token") or document.get("access_token")
        seconds = document.get("expires_in")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(value, str) or not value.isprintable():
        return None
    known = isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and seconds > 0
    lasts = float(seconds) if known and seconds is not None else LEAST_SECONDS
    return Token(value, asked + max(lasts - MARGIN_SECONDS, lasts / 2))
