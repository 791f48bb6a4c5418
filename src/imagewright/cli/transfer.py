"""`imagewright push`, `pull` and `copy`: images between the local store and registries."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from imagewright.build.destination import local_tag, repository_of, source_of
from imagewright.build.session import Session
from imagewright.cli.app import App
from imagewright.cli.options import insecure_option, jobs_option, offline_option, talk_options
from imagewright.cli.references import names_registry, reference_of
from imagewright.cli.session import session_of, store_of
from imagewright.cli.stored import find_image, platform_of
from imagewright.cli.terminal import many, size_text
from imagewright.errors import CredentialsError, LockError, NetworkError, StoreError, UsageError
from imagewright.events import BlobPushed, Event
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.reference import Reference
from imagewright.store.contents import is_manifest
from imagewright.store.copy import copy_image
from imagewright.store.protocol import BlobSource
from imagewright.store.registry.repository import Repository
from imagewright.transport import is_loopback

if TYPE_CHECKING:
    from imagewright.store.registry.mirrors import Mirrored

ALL = "all"


@click.command()
@click.argument("name")
@click.argument("reference", required=False)
@click.option("--platform", default="", help="Push this one of several platforms: linux/arm64.")
@insecure_option
@jobs_option
@talk_options
@click.pass_obj
def push(app: App, name: str, reference: str | None, platform: str) -> None:
    """Push an image of the local store to a registry.

    NAME is an image as `imagewright image list` shows it. REFERENCE is where it goes, when that is not in its name. What
    the registry has already is not sent.
    """
    store, session = store_of(app), session_of(app)
    stored = find_image(store, name)
    if reference is None and not names_registry(stored.name_tag):
        raise UsageError(
            f"{stored.name_tag} does not say which registry it goes to",
            fix=f"imagewright push {stored.name_tag} localhost:30000/{stored.name_tag}",
        )
    root = platform_of(store, stored.descriptor, platform, name=stored.name_tag) if platform else stored.descriptor
    target = reference_of(reference or stored.name_tag)
    _copy(app, session, store, root, target, said=f"Pushed {stored.name_tag} to")


@click.command()
@click.argument("reference")
@click.option(
    "--platform", default="", help='Which one of several platforms: linux/arm64, or "all". Else that of this machine.'
)
@insecure_option
@jobs_option
@offline_option
@talk_options
@click.pass_obj
def pull(app: App, reference: str, platform: str) -> None:
    """Bring an image of a registry into the local store.

    Layers that are here already are not fetched.
    """
    session, wanted = session_of(app), reference_of(reference)
    source, root = found_at_registry(wanted, session)
    if platform != ALL and (platform or root.media_type in media_types.INDEXES):
        here = f"linux/{os.uname().machine}"
        root = platform_of(source, root, platform or here, name=str(wanted))
    tally = Tally()
    store, tag = store_of(app), local_tag(wanted)
    copy_image(source, store, root, tag=tag, jobs=session.jobs, listen=tally)
    app.console.say(f"Pulled {tag}  {tally.text('fetched')}")
    pinned = wanted.with_digest(root.digest)
    app.console.answer(pinned.pinned, {"reference": pinned.pinned, "name": tag, "digest": root.digest, **tally.json()})


@click.command()
@click.argument("source")
@click.argument("destination")
@click.option("--platform", default="", help="Copy this one of several platforms: linux/arm64. Else all of them.")
@insecure_option
@jobs_option
@offline_option
@talk_options
@click.pass_obj
def copy(app: App, source: str, destination: str, platform: str) -> None:
    """Copy an image from one registry to another, byte for byte.

    SOURCE and DESTINATION are references; nothing is kept here. Within one registry layers are mounted, not sent.
    """
    session, wanted = session_of(app), reference_of(source)
    blobs, root = found_at_registry(wanted, session)
    if platform:
        root = platform_of(blobs, root, platform, name=str(wanted))
    _copy(app, session, blobs, root, reference_of(destination), said=f"Copied {wanted} to")


class Tally:
    """A listener that counts blobs."""

    def __init__(self) -> None:
        self.moved = self.size = self.mounted = self.present = 0

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if not isinstance(event, BlobPushed) or is_manifest(event.descriptor):
            return
        if event.how == "uploaded":
            self.moved, self.size = self.moved + 1, self.size + event.descriptor.size
        elif event.how == "mounted":
            self.mounted += 1
        else:
            self.present += 1

    def text(self, verb: str) -> str:
        """How many of the blobs had to be moved."""
        total = self.moved + self.mounted + self.present
        moved = f"{self.moved} of {many(total, 'blob')} {verb}, {size_text(self.size)}"
        return f"{moved}, {self.mounted} mounted" if self.mounted else moved

    def json(self) -> dict[str, int]:
        """The same, as numbers."""
        return {"moved": self.moved, "size": self.size, "mounted": self.mounted, "present": self.present}


def found_at_registry(reference: Reference, session: Session) -> tuple["Repository | Mirrored", Descriptor]:
    """The repository (or its mirrors) of a reference, and the manifest or index that it points to.

    Raises:
        StoreError: There is none (IW521).
        LockError: Offline, and the registry is on another machine (IW205).
        NetworkError, CredentialsError: The registry cannot tell.
    """
    host = reference.registry.rpartition(":")[0] or reference.registry
    if session.offline and not is_loopback(host.strip("[]")):
        raise LockError(f"--offline forbids to ask {reference.registry} for {reference.repository}", code="IW205")
    repository = source_of(reference, session)
    found = repository.resolve(reference.digest or reference.tag)
    if found is None:
        raise StoreError(
            f"there is no image {reference}",
            code="IW521",
            why=f"{reference.registry} says that it has no such image",
            fix=_near(repository, reference),
        )
    return repository, found


def _near(repository: "Repository | Mirrored", reference: Reference) -> str:
    """The nearest tag that there is."""
    from difflib import get_close_matches  # only a mistake needs it

    try:
        tags = (repository if isinstance(repository, Repository) else repository.origin).tags()
    except (NetworkError, CredentialsError):
        tags = ()
    near = get_close_matches(reference.tag, tags, n=1, cutoff=0.5)
    if near:
        return f"did you mean {replace(reference, tag=near[0], digest=None)}?"
    some = f"; its tags are {', '.join(tags[-5:])}{' and others' if len(tags) > 5 else ''}" if tags else ""
    return f"look at its spelling, its tag included{some}"


def _copy(app: App, session: Session, source: BlobSource, root: Descriptor, target: Reference, *, said: str) -> None:
    if target.digest not in (None, root.digest):
        raise UsageError(f"{target} names another digest than the image has: {root.digest}")
    destination, tally = repository_of(target, session), Tally()

    def mount(blob: Descriptor) -> bool:
        """Within one registry."""
        same = isinstance(source, Repository) and source.registry == destination.registry
        return same and not destination.exists(blob) and destination.mount(blob, source)  # type: ignore[arg-type]

    copy_image(source, destination, root, tag=target.tag, jobs=session.jobs, listen=tally, mount=mount)
    pinned = replace(target, tag="").with_digest(root.digest)
    app.console.say(f"{said} {replace(target, digest=None)}  {tally.text('sent')}")
    document = {"reference": str(pinned), "tag": target.tag, "digest": root.digest, **tally.json()}
    app.console.answer(str(pinned), document)
