"""Answers what a registry asks for in ``WWW-Authenticate``: with a user and password, or with tokens."""

from imagewright.oci.reference import DEFAULT_REGISTRY
from imagewright.store.registry.challenge import parse_challenges
from imagewright.store.registry.logins import Credentials, Login, NoLogin
from imagewright.store.registry.tokens import Realm, Scopes, Tokens, basic, merged
from imagewright.transport import Transport


class Authorizer:
    """The value of ``Authorization`` for one repository. Used by one thread at a time.

    ``login`` is what was found when the registry asked last, ``accepted`` whether its token server took it.
    """

    def __init__(self, registry: str, repository: str, transport: Transport, credentials: Credentials) -> None:
        self._registry, self._repository, self._credentials = registry, repository, credentials
        host = "registry-1.docker.io" if registry == DEFAULT_REGISTRY else registry
        self._tokens = Tokens(host, transport)
        self._fixed = ""
        self._realm: Realm | None = None
        self._wanted: Scopes = frozenset()
        self.login: Login | NoLogin | None = None
        self.accepted = False

    def authorization(self, scopes: Scopes) -> str:
        """What a request takes along that needs these scopes; a token that is about to end is replaced first.

        Raises:
            TokenRefused, NetworkError: As `Tokens.get` does.
        """
        if self._realm is None:
            return self._fixed
        wanted = merged(scopes, self._wanted)
        token = self._tokens.kept(self._realm, wanted)
        if token is None:
            # A helper's login may be good for no longer than a token: it is asked for anew as well.
            self.login = self._credentials.find(self._registry, self._repository)
            token = self._new_token(self._realm, wanted, self.login)
        return f"Bearer {token}"

    def answer(self, header: str, used: str, scopes: Scopes) -> bool:
        """Take the challenge up that a request got which was sent with ``used``; False when there is nothing else to try.

        Raises:
            CredentialsError: A place with logins cannot be read, or a helper program fails.
            TokenRefused, NetworkError: As `Tokens.get` does.
        """
        if self._replaced(used, scopes):
            return True  # another thread was faster
        self.login = login = self._credentials.find(self._registry, self._repository)
        for challenge in parse_challenges(header):
            parameters = challenge.parameters
            if challenge.scheme == "bearer" and "realm" in parameters:
                if isinstance(login, Login) and login.registry_token:
                    self._fixed = f"Bearer {login.registry_token}"
                    return self._fixed != used
                if used and parameters.get("error") == "insufficient_scope":
                    return False  # a new token would be good for no more
                self._realm = Realm(parameters["realm"], parameters.get("service", ""))
                self._wanted = merged(self._wanted, parameters.get("scope", "").split())
                self._tokens.forget(used.removeprefix("Bearer "))
                self._new_token(self._realm, merged(scopes, self._wanted), login)
                return True
            if challenge.scheme == "basic" and isinstance(login, Login) and login.password:
                self._fixed = basic(login)
                return self._fixed != used
        return False

    def _replaced(self, used: str, scopes: Scopes) -> bool:
        """Whether a request now would take another login along than ``used``."""
        if self._realm is None:
            return bool(self._fixed) and self._fixed != used
        kept = self._tokens.kept(self._realm, merged(scopes, self._wanted))
        return kept is not None and f"Bearer {kept}" != used

    def _new_token(self, realm: Realm, scopes: Scopes, login: Login | NoLogin) -> str:
        token = self._tokens.get(realm, scopes, login)
        self.accepted = isinstance(login, Login)
        return token
