"""A layer that is decided but not written."""

from pathlib import Path
from typing import Protocol

from imagewright.dataclass import dataclass
from imagewright.oci.digest import DiffID, Digest


@dataclass(frozen=True, slots=True, order=True)
class InputFile:
    """A file that a layer is made from, pinned: where it can be had, its digest and its size in bytes.

    ``url`` holds no user and no password. It may be a ``file:`` URL.
    """

    url: str
    digest: Digest
    size: int


class Inputs(Protocol):
    """Where the input files of layers are found."""

    def path(self, file: InputFile) -> Path:
        """The file on this machine, downloaded if it is not there yet, its digest and size checked.

        Raises:
            NetworkError: It cannot be had.
            IntegrityError: It is not what the lock says.
        """
        ...

    def is_proven(self, file: InputFile, rules: str) -> bool:
        """Whether a file of this digest is known to keep ``rules``, whose name says which and in what version."""
        ...

    def remember_proof(self, file: InputFile, rules: str) -> None:
        """Take note that it does: all of its content was looked at."""
        ...


class NothingProven:
    """What `Inputs` answer that remember nothing: each file is looked at each time."""

    def is_proven(self, file: InputFile, rules: str) -> bool:
        """Never."""
        return False

    def remember_proof(self, file: InputFile, rules: str) -> None:
        """Forget it."""


class Sink(Protocol):
    """Where the bytes of a layer go."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take the next bytes."""
        ...


class PlannedLayer(Protocol):
    """A layer whose ``key`` is known and whose bytes are not: what is known of it before anything is downloaded.

    Equal keys give equal bytes, on any machine and with any number of workers.
    """

    @property
    def key(self) -> Digest:
        """The digest of everything that decides the layer's bytes, the version of its writer included."""
        ...

    @property
    def title(self) -> str:
        """What a person reads in ``docker history`` and in the progress: ``numpy 2.3.5``."""
        ...

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The files that `write` asks for."""
        ...

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        """Write the layer's stored (compressed) bytes to ``out``, and return the diff_id of the tar in it."""
        ...
