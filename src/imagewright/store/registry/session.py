"""Requests to one repository of a registry, logged in as the registry asks."""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from imagewright.errors import CredentialsError, NetworkError, redacted
from imagewright.oci.reference import DEFAULT_REGISTRY
from imagewright.store.registry.logins import Credentials
from imagewright.store.registry.refusal import Aim, TokenRefused, refusal
from imagewright.transport import Content, Response, Stream, Transport

if TYPE_CHECKING:
    from imagewright.store.registry.authorizer import Authorizer

OWN_REGISTRY = "localhost:30000"
LOGINS = 2  # for one request: a token may have ended, and the next one have been damaged on its way


class Session:
    """Sends requests below ``/v2/REPOSITORY/`` with the login that the registry asks for. Safe to share.

    Logins are looked for only when the registry wants one, so that a request that needs none stays one request. From
    then on every request takes a login along, and a token that is about to end is replaced before.
    """

    def __init__(
        self, registry: str, repository: str, transport: Transport, credentials: Credentials, *, plain: bool = False
    ) -> None:
        self.registry, self.repository = registry, repository
        self._transport, self._credentials = transport, credentials
        host = "registry-1.docker.io" if registry == DEFAULT_REGISTRY else registry
        self._origin = f"http://{host}" if plain else transport.origin(host)
        self._base = f"{self._origin}/v2/{repository}/"
        self._lock = threading.Lock()
        self._authorizer: Authorizer | None = None

    def url(self, path: str) -> str:
        """The address of ``path``, which is below the repository, or is an absolute path or URL from a Location.

        Raises:
            NetworkError: A registry with TLS sends us to a place without.
        """
        url = urljoin(self._base, path if path.startswith("/") or "://" in path else f"./{path}")
        if urlsplit(self._origin).scheme == "https" and urlsplit(url).scheme != "https":
            what = f"{self.registry} sends uploads to a place without TLS"
            raise NetworkError(what, code="IW503", why=f"to {redacted(url)}")
        return url

    @property
    def asked_for_login(self) -> bool:
        """Whether the registry has wanted a login so far."""
        return self._authorizer is not None

    @property
    def transport(self) -> Transport:
        """What the requests go through."""
        return self._transport

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
        reads: str = "",
    ) -> Response:
        """The answer. ``aim`` is what the login is for; ``reads`` is another repository that the request reads from.

        Raises:
            CredentialsError: The registry wants a login (IW401) or refuses (IW403).
            NetworkError: It does not answer, or with another status than those in ``ok``.
        """
        url = self.url(path)
        scopes = self._scopes(aim, reads)
        with self._explained():
            for remaining in reversed(range(LOGINS + 1)):
                sent, used = self._headers(aim, url, headers, scopes)
                response = self._transport.request(
                    method, url, headers=sent, content=content, ok={*ok, 401, 403}, repeat=repeat
                )
                if response.status != 401 or not remaining or not self._log_in(aim, response, used, scopes):
                    break
            if response.status in (401, 403) and response.status not in ok:
                raise self._refusal(aim, response)
            return response

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str] | None = None, ok: Collection[int] = (200,)
    ) -> Iterator[Stream]:
        """The answer to a GET, its body read piece by piece. Raises as `request` does."""
        url = self.url(path)
        scopes = self._scopes("pull from", "")
        with ExitStack() as opened:
            with self._explained():
                for remaining in reversed(range(LOGINS + 1)):
                    opened.close()
                    sent, used = self._headers("pull from", url, headers, scopes)
                    answer = opened.enter_context(self._transport.stream("GET", url, headers=sent, ok={*ok, 401, 403}))
                    if answer.status not in (401, 403):
                        break
                    response = Response(answer.status, answer.headers, answer.start_of_body(), url)
                    again = answer.status == 401 and remaining
                    if not again or not self._log_in("pull from", response, used, scopes):
                        raise self._refusal("pull from", response)
            yield answer

    def _scopes(self, aim: Aim, reads: str) -> frozenset[str]:
        """What a token has to be good for. Who pushes asks for both rights at once, which saves a token later."""
        if not self.repository:
            return frozenset()  # only the login is tried
        own = f"repository:{self.repository}:{'pull,push' if aim == 'push to' else 'pull'}"
        return frozenset((own, f"repository:{reads}:pull")) if reads else frozenset((own,))

    def _headers(
        self, aim: Aim, url: str, headers: Mapping[str, str] | None, scopes: frozenset[str]
    ) -> tuple[dict[str, str], str]:
        """With the login, but only for the registry itself: a Location may lead elsewhere. And the login."""
        sent, used = dict(headers or {}), ""
        if self._authorizer is not None and urlsplit(url)[:2] == urlsplit(self._origin)[:2]:
            with self._lock, self._refused(aim):
                used = self._authorizer.authorization(scopes)
        if used:
            sent["authorization"] = used
        return sent, used

    def _log_in(self, aim: Aim, response: Response, used: str, scopes: frozenset[str]) -> bool:
        """Answer the registry's challenge, and say whether there is now another login to try than ``used``."""
        with self._lock, self._refused(aim):
            if self._authorizer is None:
                from imagewright.store.registry.authorizer import Authorizer  # most registries here want no login

                self._authorizer = Authorizer(self.registry, self.repository, self._transport, self._credentials)
            return self._authorizer.answer(response.headers.get("www-authenticate", ""), used, scopes)

    @contextmanager
    def _refused(self, aim: Aim) -> Iterator[None]:
        """Say in words that a token server refuses."""
        try:
            yield
        except TokenRefused as error:
            raise self._refusal(aim, error.response, known=False) from error

    def _refusal(self, aim: Aim, response: Response, *, known: bool | None = None) -> CredentialsError:
        """What a person has to hear about a 401 or 403."""
        authorizer = self._authorizer
        login = authorizer.login if authorizer is not None else None
        if login is None:
            login = self._credentials.find(self.registry, self.repository)
        if known is None:
            known = authorizer is not None and authorizer.accepted
        return refusal(aim, self.registry, self.repository, login, response, known=known)

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
