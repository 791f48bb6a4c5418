"""Where an image goes, and what it is called there."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from imagewright.build.session import Session
from imagewright.dataclass import dataclass
from imagewright.errors import LockError, UsageError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.reference import Reference, check_registry, check_repository
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout
from imagewright.store.protocol import ImageStore
from imagewright.store.registry.keychain import Keychain
from imagewright.store.registry.repository import Repository
from imagewright.transport import is_loopback

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
    """The repository, with the credentials that the docker configuration has for it."""
    home = Path(session.environ.get("HOME") or "/")
    credentials = Keychain(session.environ, home)
    return Repository(reference.registry, reference.repository, session.transport, credentials)


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
