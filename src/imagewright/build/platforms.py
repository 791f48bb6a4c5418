"""ImageSpec -> an image for each of several platforms, and an index of them."""

import time
from collections.abc import Sequence
from dataclasses import replace

from imagewright.build.container_config import annotations_of
from imagewright.build.destination import Place, place_of
from imagewright.build.image import make_image, step_runner_of
from imagewright.build.publish_index import publish_index
from imagewright.build.resolve import lock_of
from imagewright.build.session import Session
from imagewright.build.shared import shared_layers
from imagewright.events import Event, ImagePublished, Listener, PlatformBegun
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout


def build_platforms(
    spec: ImageSpec, platforms: Sequence[Platform], reference: Reference, session: Session
) -> Reference:
    """Resolve for all, build one after the other, then publish their index; ``reference`` with its digest.

    The layers that they share are made once.

    Raises:
        ImagewrightError: A step failed. What was made before is kept, and is not made again the next time.
    """
    # What cannot run here is told before any work is done, for whichever platform it is.
    runners = [step_runner_of(spec, platform, session) for platform in platforms]
    store = Layout(session.store_dir)
    with store.lease():
        destination = place_of(reference, session) if reference.registry else None
        untagged = Place(destination.store, "") if destination else None
        together = _Together(spec.name, session.listen)
        beneath = replace(session, listen=together.hear)
        images = []
        shared = shared_layers(session, destination)
        locks = []
        for platform in platforms:  # all first: what one of them lacks is told before the others are made
            session.listen(PlatformBegun(spec.name, str(platform)))
            locks.append(lock_of(spec, platform, session, upgrade=session.upgrade, shared=shared))
        for platform, lock, steps in zip(platforms, locks, runners, strict=True):
            session.listen(PlatformBegun(spec.name, str(platform)))
            images.append(make_image(spec, lock, reference, beneath, steps, untagged, shared, tag=False))
        index = publish_index(images, annotations_of(spec, {}), reference, store, destination)
        pinned = reference.with_digest(index.digest)
        together.tell(pinned)
        return pinned


class _Together:
    """Makes one fact of the images of several platforms: the index is published when all of them are."""

    def __init__(self, name: str, listen: Listener) -> None:
        self._name, self._listen, self._began = name, listen, time.monotonic()
        self._parts: list[ImagePublished] = []

    def hear(self, event: Event) -> None:
        if isinstance(event, ImagePublished):
            self._parts.append(event)
        else:
            self._listen(event)

    def tell(self, reference: Reference) -> None:
        self._listen(
            ImagePublished(
                self._name,
                reference,
                sum(part.layers for part in self._parts),
                sum(part.reused for part in self._parts),
                sum(part.uploaded_size for part in self._parts),
                time.monotonic() - self._began,
                sum(part.push_seconds for part in self._parts),
            )
        )
