"""How an image is built: two steps, so that "is it there?" is asked in one place."""

from collections.abc import Callable
from typing import Protocol

from imagewright.build.session import Session
from imagewright.dataclass import dataclass
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec


@dataclass(frozen=True, slots=True)
class Build:
    """A build that can be run. ``run`` returns the reference of what it published, pinned by digest."""

    reference: Reference
    run: Callable[[], Reference]


class Builder(Protocol):
    """Makes images of specs. Found by the exact name of its entry point in the group ``imagewright.builders``.

    The entry point names a callable that takes no argument and returns the builder.
    """

    def prepare(self, spec: ImageSpec, session: Session) -> Build:
        """The build of this spec: what it would publish, and how to do it. Starts no work and asks no network.

        Raises:
            SpecError, LockError: The builder cannot build this spec; the text names the field.
        """
        ...
