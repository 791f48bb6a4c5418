"""Requests to one repository of a registry, logged in as the registry asks."""

import base64
import json
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Literal
from urllib.parse import urlencode, urlsplit

from imagewright.errors import CredentialsError, NetworkError, redacted
from imagewright.oci.reference import DEFAULT_REGISTRY
from imagewright.store.registry.challenge import Challenge, parse_challenges
from imagewright.store.registry.keychain import Credentials, Login, NoLogin
from imagewright.transport import Content, Response, Stream, Transport

OWN_REGISTRY = "localhost:30000"

Aim = Literal["push to", "pull from"]


class Session:
    """Sends requests below ``/v2/REPOSITORY/`` with the login that the registry asks for. Safe to share.

    Logins are looked for only when the registry wants one, so that a request that needs none stays one request.
    """

    def __init__(self, registry: str, repository: str, transport: Transport, credentials: Credentials) -> None:
        self.registry, self.repository = registry, repository
        self._transport, self._credentials = transport, credentials
        host = "registry-1.docker.io" if registry == DEFAULT_REGISTRY else registry
        self._origin = transport.origin(host)
        self._base = f"{self._origin}/v2/{repository}/"
        self._lock = threading.Lock()
        self._authorization = ""
        self._login: Login | NoLogin | None = None

    def url(self, path: str) -> str:
        """The address of ``path``, which is below the repository, or is an absolute path or URL from a Location."""
        if path.startswith("/"):
            return self._origin + path
        return path if "://" in path else self._base + path

    def request(
        self,
        aim: Aim,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: Content | None = None,
        ok: Collection[int] = (200,),
        repeat: bool = True,
    ) -> Response:
        """The answer. ``aim`` is for the text of errors.

        Raises:
            CredentialsError: The registry wants a login (IW401) or refuses (IW403).
            NetworkError: It does not answer, or with another status than those in ``ok``.
        """
        url = self.url(path)
        with self._explained():
            used = self._authorization
            allowed = {*ok, 401, 403}
            response = self._transport.request(
                method, url, headers=self._headers(url, headers, used), content=content, ok=allowed, repeat=repeat
            )
            if response.status == 401 and self._log_in(aim, response, used):
                sent = self._headers(url, headers, self._authorization)
                response = self._transport.request(
                    method, url, headers=sent, content=content, ok=allowed, repeat=repeat
                )
            if response.status in (401, 403) and response.status not in ok:
                raise self._refusal(aim, response)
            return response

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str] | None = None, ok: Collection[int] = (200,)
    ) -> Iterator[Stream]:
        """The answer to a GET, its body read piece by piece. Raises as `request` does."""
        url = self.url(path)
        with ExitStack() as opened:
            with self._explained():
                used = self._authorization
                for _ in range(2):
                    opened.close()
                    sent = self._headers(url, headers, self._authorization)
                    answer = opened.enter_context(self._transport.stream("GET", url, headers=sent, ok={*ok, 401, 403}))
                    if answer.status not in (401, 403):
                        break
                    response = Response(answer.status, answer.headers, b"".join(answer.chunks()), url)
                    if answer.status == 403 or not self._log_in("pull from", response, used):
                        raise self._refusal("pull from", response)
                else:
                    raise self._refusal("pull from", response)
            yield answer

    def _headers(self, url: str, headers: Mapping[str, str] | None, authorization: str) -> dict[str, str]:
        """With the login, but only for the registry itself: a Location may lead elsewhere."""
        sent = dict(headers or {})
        if authorization and urlsplit(url)[:2] == urlsplit(self._origin)[:2]:
            sent["authorization"] = authorization
        return sent

    def _log_in(self, aim: Aim, response: Response, used: str) -> bool:
        """Answer the registry's challenge, and say whether there is now another login to try than ``used``."""
        with self._lock:
            if self._authorization != used:
                return True  # another thread was faster
            challenges = parse_challenges(response.headers.get("www-authenticate", ""))
            self._login = login = self._credentials.find(self.registry, self.repository)
            for challenge in challenges:
                if challenge.scheme == "bearer" and "realm" in challenge.parameters:
                    self._authorization = f"Bearer {self._token(aim, challenge, login)}"
                    return True
                if challenge.scheme == "basic" and isinstance(login, Login) and login.password:
                    self._authorization = _basic(login)
                    return self._authorization != used
            return False

    def _token(self, aim: Aim, challenge: Challenge, login: Login | NoLogin) -> str:
        """A token from the registry's token server; without a login, an anonymous one.

        Source: distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".
        """
        realm = challenge.parameters["realm"]
        if urlsplit(realm).scheme != "https" and urlsplit(self._origin).scheme == "https":
            what = f"{self.registry} sends logins to a place without TLS"
            raise NetworkError(what, code="IW503", why=f"its token server is {redacted(realm)}")
        query = {name: challenge.parameters[name] for name in ("service", "scope") if name in challenge.parameters}
        ok = (200, 400, 401, 403)
        if isinstance(login, Login) and login.identity_token:
            form = {"grant_type": "refresh_token", "client_id": "imagewright", **query}
            body = urlencode({**form, "refresh_token": login.identity_token}).encode()
            headers = {"content-type": "application/x-www-form-urlencoded"}
            response = self._transport.request("POST", realm, headers=headers, content=body, ok=ok)
        else:
            headers = {"authorization": _basic(login)} if isinstance(login, Login) else {}
            joint = "&" if "?" in realm else "?"
            response = self._transport.request("GET", f"{realm}{joint}{urlencode(query)}", headers=headers, ok=ok)
        if response.status != 200:
            raise self._refusal(aim, response, unknown_user=True)
        try:
            document = json.loads(response.body)
            return str(document.get("token") or document["access_token"])
        except (ValueError, KeyError, AttributeError) as error:
            what = f"the token server of {self.registry} answered without a token"
            raise NetworkError(what, code="IW503", why=redacted(realm)) from error

    def _refusal(self, aim: Aim, response: Response, *, unknown_user: bool = False) -> CredentialsError:
        """What a person has to hear about a 401 or 403."""
        login = self._login
        if login is None:
            login = self._credentials.find(self.registry, self.repository)
        said = quoted(response)
        log_in = f"docker login {self.registry}"
        if isinstance(login, NoLogin):
            looked_in = (
                f"looked in: {', '.join(login.looked_in)}" if login.looked_in else "no place was given to look in"
            )
            if response.status == 403:
                what = f"{self.registry} refuses the {_noun(aim)} {self.repository} without a login, and none was found"
                return CredentialsError(what, code="IW403", why=(*said, looked_in), fix=log_in)
            what = f"{self.registry} wants a login to {aim.split()[0]} {self.repository}, and none was found"
            return CredentialsError(what, code="IW401", why=looked_in, fix=log_in)
        name = f"'{login.username}'" if login.username else "the owner of a token"
        if response.status == 401 or unknown_user:
            what = f"{self.registry} does not accept the login of {name} ({login.source})"
            return CredentialsError(what, code="IW401", why=said, fix=log_in)
        what = f"{self.registry} knows you as {name} ({login.source}) but refuses the {_noun(aim)} {self.repository}"
        right = "write" if aim == "push to" else "read"
        fix = f"{name} needs {right} access to {self.repository}"
        if self.registry == "ghcr.io":
            fix = f"the token needs scope {right}:packages, and {fix.replace('needs ', '')}"
        return CredentialsError(what, code="IW403", why=said, fix=fix)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of a registry that does not answer how to do without it."""
        try:
            yield
        except NetworkError as error:
            if error.code == "IW501":
                own = "That is imagewright's own registry address, and its server is not running."
                error.why = (*error.why, own) if self.registry == OWN_REGISTRY else error.why
                error.fix = ("start the registry, or build without one: --registry local",)
            raise


def quoted(response: Response) -> tuple[str, ...]:
    """The registry's own words, as a line of an error, or nothing.

    Source: OCI distribution-spec v1.1, "Error Codes".
    """
    try:
        errors = json.loads(response.body)["errors"]
        words = "; ".join(
            ": ".join(filter(None, (str(e.get("code", "")).lower(), str(e.get("message", ""))))) for e in errors
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        words = response.body[:200].decode(errors="replace")
    words = redacted(" ".join(words.split()))[:300]
    return (f"it said: {words}",) if words else ()


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _noun(aim: Aim) -> str:
    return "push to" if aim == "push to" else "pull from"
