"""What a login for a registry is, and who knows one."""

from dataclasses import field
from typing import Protocol

from imagewright.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Login:
    """A user at a registry. ``source`` says where it was found, as a person would write it.

    With ``identity_token`` that is what tokens are asked for with; with ``registry_token`` that is the token itself. The
    password is then "".
    """

    username: str
    password: str = field(repr=False)
    source: str
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


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
    """Knows no login. ``why`` is said where one is wanted."""

    def __init__(self, why: str = "") -> None:
        self._looked_in = (why,) if why else ()

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """No login."""
        return NoLogin(self._looked_in)


class Given:
    """Knows one login, for whatever registry."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """That login."""
        return self._login


class FirstOf:
    """Asks several, and takes the first login that there is; else it has looked in all their places."""

    def __init__(self, *several: Credentials) -> None:
        self._several = several

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """The first login."""
        looked_in: list[str] = []
        for credentials in self._several:
            found = credentials.find(registry, repository)
            if isinstance(found, Login):
                return found
            looked_in += found.looked_in
        return NoLogin(tuple(looked_in))
