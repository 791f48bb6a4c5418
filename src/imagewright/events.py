"""Frozen facts that the steps tell a listener. Only ``cli.render`` turns them into text."""

from collections.abc import Callable
from typing import Literal

from imagewright.dataclass import dataclass
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class ImageFound:
    """The image is there already, so nothing was built. ``name`` is the spec's own; ``seconds`` is what asking took."""

    name: str
    platform: str
    reference: Reference
    seconds: float


@dataclass(frozen=True, slots=True)
class BuildStarted:
    """An image is not there, or was asked for again (``forced``), and is now built. ``where`` is ``app.py:4`` or ""."""

    name: str
    platform: str
    where: str
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """The requirements became a lock. ``how`` tells whether an index was asked."""

    name: str
    packages: int
    python: str
    libc: str
    how: Literal["resolved", "remembered", "shared", "lock file"]
    seconds: float


@dataclass(frozen=True, slots=True)
class BaseReady:
    """The base image's layers are known. ``how`` is what had to be done for it: an image's layers are "read" once."""

    name: str
    title: str
    how: Literal["remembered", "assembled", "read"]
    seconds: float


Kind = Literal["asked", "base", "debian", "conda", "package", "env", "setting", "command", "file"]
"""What a `Change` is of: what was asked for, what that led to, and what else is in an image."""


@dataclass(frozen=True, slots=True)
class PlatformBegun:
    """What comes next is for this one of the several platforms of an image."""

    name: str
    platform: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs. ``before`` or ``after`` is "" where it is not there; a version, a value, or a short digest."""

    kind: Kind
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class LockChanged:
    """What was resolved anew is not what the lock before it said."""

    name: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class FileDownloaded:
    """An input file came from an index or a mirror. ``size`` in bytes."""

    url: str
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LayerReady:
    """A layer is in the local store. ``how`` is "written", "known" (its key was remembered) or "registry"."""

    name: str
    title: str
    layer: Descriptor
    how: Literal["written", "known", "registry"]
    input_size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StepOutput:
    """A line that a step of a build wrote, a command or the installation of Debian packages; ``title`` is the step's."""

    name: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class WheelBuilt:
    """A package without a wheel has one now. ``source`` says what it was built from; "known": it was built before."""

    name: str
    title: str
    source: str
    how: Literal["built", "known"]
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class BlobPushed:
    """A blob is in the registry."""

    descriptor: Descriptor
    how: Literal["uploaded", "mounted", "present"]


@dataclass(frozen=True, slots=True)
class ImagePublished:
    """The image is complete and tagged. Sizes in bytes; ``reused`` layers were there already."""

    name: str
    reference: Reference
    layers: int
    reused: int
    uploaded_size: int
    seconds: float
    push_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """A task call has begun. ``call`` is unique in the run: ``squares`` or ``squares-2``."""

    call: str
    task: str
    image: str


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """A line that a task wrote, without its end; ``stream`` says to which."""

    call: str
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task call has ended."""

    call: str
    task: str
    image: str
    outcome: Literal["succeeded", "failed"]
    seconds: float


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that the user should know and that stops nothing; said once a run."""

    text: str


Event = (
    ImageFound
    | BuildStarted
    | PlatformBegun
    | Resolved
    | BaseReady
    | LockChanged
    | FileDownloaded
    | LayerReady
    | StepOutput
    | WheelBuilt
    | BlobPushed
    | ImagePublished
    | TaskStarted
    | TaskOutput
    | TaskEnded
    | Noted
)

Listener = Callable[[Event], None]


def nobody(event: Event) -> None:
    """The listener that hears nothing."""
