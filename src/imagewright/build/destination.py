"""Where an image goes, and what it is called there."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagewright.build.session import Session
from imagewright.dataclass import dataclass
from imagewright.errors import LockError, UsageError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.reference import Reference, check_registry, check_repository
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout
from imagewright.store.protocol import ImageStore
from imagewright.store.registry.logins import Credentials, FirstOf, Login, NoLogin
from imagewright.store.registry.repository import Repository
from imagewright.transport import is_loopback

if TYPE_CHECKING:
    from imagewright.store.registry.mirrors import Location, Mirrored

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and the image's tag (or digest) in it."""

    store: ImageStore
    tag: str

    def resolve(self) -> Descriptor | None:
        """What is there, or None when the store knows that nothing is."""
        return self.store.resolve(self.tag)


def place_of(reference: Reference, session: Session) -> Place:
    """The registry repository that a reference names, or the local store when it names no registry.

    Raises:
        LockError: The session is offline, and the registry is on another machine (IW205).
    """
    if not reference.registry:
        return local_place(reference, session)
    if session.offline and not is_loopback(_host(reference.registry)):
        raise LockError(
            f"--offline forbids to ask {reference.registry} for {reference.repository}",
            code="IW205",
            fix="keep the image in the local store: --registry local",
        )
    return Place(repository_of(reference, session), reference.digest or reference.tag or "latest")


def local_place(reference: Reference, session: Session) -> Place:
    """The local store, which holds images of registries too: there the registry is part of the tag."""
    return Place(Layout(session.store_dir), local_tag(reference))


def local_tag(reference: Reference) -> str:
    """The name that an image has in the local store: all of its reference but the digest."""
    return str(replace(reference, digest=None))


def repository_of(reference: Reference, session: Session) -> Repository:
    """The repository, with the logins that this machine has for it, which are looked for when the registry asks."""
    return Repository(
        reference.registry,
        reference.repository,
        session.transport,
        MachineLogins(session.environ),
        create=partial(_create, session),
    )


def readable_repository(reference: Reference, session: Session, credentials: Credentials | None = None) -> Repository:
    """The repository, only to be read: no right to write is asked for. With this machine's logins, or others."""
    return Repository(
        reference.registry,
        reference.repository,
        session.transport,
        credentials or MachineLogins(session.environ),
        only_pulls=True,
    )


def source_of(reference: Reference, session: Session, etc: Path = Path("/etc")) -> "Repository | Mirrored":
    """Where an image is had from: its repository, behind the mirrors that this machine's configuration names for it.

    Raises:
        UsageError: The configuration cannot be read, or blocks the registry.
    """
    from imagewright.store.registry.mirrors import Mirrored, locations_of  # who only pushes reads no mirrors

    *mirrors, own = locations_of(reference.registry, reference.repository, session.environ, etc)

    def opened(location: "Location") -> Repository:
        return Repository(
            location.registry,
            location.repository,
            session.transport,
            MachineLogins(session.environ),
            only_pulls=True,
            plain=location.plain,
        )

    return Mirrored([(one, opened(one)) for one in mirrors], opened(own)) if mirrors else opened(own)


def _create(session: Session, registry: str, repository: str) -> bool:
    from imagewright.store.registry.ambient import create_repository  # only ECR wants it

    return create_repository(registry, repository, session.environ)


class MachineLogins:
    """The logins in docker's and podman's files, and those of the cloud that this machine is in. Knows none by itself."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """The login for a repository."""
        from imagewright.store.registry.ambient import Ambient  # registries of this machine want no login
        from imagewright.store.registry.keychain import Keychain

        home = Path(self._environ.get("HOME") or "/")
        return FirstOf(Keychain(self._environ, home), Ambient(self._environ)).find(registry, repository)


def target_reference(spec: ImageSpec, session: Session) -> Reference:
    """What the spec's image is called, with the session's registry in place of its own."""
    reference = spec.reference
    if not session.registry:
        return reference
    if session.registry == LOCAL:
        return replace(reference, registry="", repository=spec.name)
    registry, _, path = session.registry.partition("/")
    try:
        return replace(
            reference,
            registry=check_registry(registry),
            repository=check_repository(f"{path}/{spec.name}" if path else spec.name),
        )
    except ValueError as error:
        raise UsageError(f"registry {session.registry!r}: {error}", fix="--registry localhost:30000") from error


def _host(registry: str) -> str:
    return (urlsplit(f"//{registry}").hostname or "").lower()
