"""Plan -> image: every layer written once, carried to where the image goes, and tagged when all is there."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from typing import TypeGuard

from imagewright.build.bytecode.layer import BytecodeLayer
from imagewright.build.carry import Carrier
from imagewright.build.destination import Place, local_tag
from imagewright.build.failed import forget_failed
from imagewright.build.given import GivenLayer
from imagewright.build.kinds import AnyLayer, OwnLayer
from imagewright.build.plan import Plan
from imagewright.build.push import Pusher
from imagewright.build.source import SourceLayer
from imagewright.build.step import Step
from imagewright.build.workshop import Workshop
from imagewright.events import ImagePublished
from imagewright.oci.descriptor import Layer
from imagewright.oci.digest import Digest
from imagewright.oci.image import Image, assemble
from imagewright.oci.reference import Reference
from imagewright.parallel import beside, quick_switches


def publish(
    plan: Plan,
    reference: Reference,
    workshop: Workshop,
    destination: Place | None,
    *,
    check: Callable[[], None] = lambda: None,
    prepare: Callable[[Sequence[OwnLayer]], None] = lambda missing: None,
    compatible: Collection[Digest] = (),
    tag: bool = True,
) -> Image:
    """Write what is missing, push it to ``destination`` (None: the local store is all), tag it last.

    ``prepare`` is given the layers that have to be written, before any worker begins.
    Without ``tag`` it gets none: an index of several images will have it. ``destination`` has none then, either.
    Layers that ``workshop.shared`` offers are neither made nor fetched, unless a step lies on them; what is new is offered
    there with ``compatible``, the sets of wheels that ``check`` found to fit together.
    ``check`` runs beside the workers, once the input files are here, and raises what must keep the image from its tag.

    A layer whose key is remembered and whose blob is still in the local store is not written again. Whatever was
    written stays in the local store when a later step fails.
    """
    started = time.monotonic()
    pusher = Pusher(workshop.store, workshop.base, destination, workshop.listen)
    own = [planned for planned in plan.layers if not isinstance(planned, GivenLayer)]
    known = {planned.key: layer for planned in own if (layer := _known(planned, workshop)) is not None}
    offered = _offered(own, known, workshop)

    def image_of(layers: Sequence[Layer]) -> Image:
        return assemble(plan.config, layers, plan.history, annotations=plan.annotations)

    there = known.keys() | offered.keys()
    missing = [planned for planned in own if planned.key not in there]
    prepare(missing)
    if workshop.compiler is not None and any(isinstance(planned, BytecodeLayer) for planned in missing):
        workshop.compiler.check()
    if workshop.steps is not None:
        workshop.steps.check(plan.name, [planned for planned in missing if isinstance(planned, Step)])
    if any(planned.inputs for planned in missing):  # some files of the user's own are not worth 2 ms, for ctypes
        from imagewright.allocator import keep_freed_memory

        keep_freed_memory()
    with quick_switches():
        carried, image = Carrier(plan, workshop, pusher, known, offered, image_of, check).run()
    layers = [one.layer for one in carried]
    whole = all(workshop.store.exists(layer) for layer in image.layers)
    push_started = time.monotonic()
    # The tags come last, so that none ever dangles. The one that the result stands on waits for the disk.
    name = local_tag(reference)
    if whole:
        workshop.store.push(image.config_descriptor, [image.config])
        workshop.store.push(image.descriptor, [image.manifest])
        push_started = time.monotonic()
        if tag and destination is None:
            workshop.store.tag(image.descriptor, name)

    def beside_the_push() -> None:
        if whole and tag:
            workshop.store.tag(image.descriptor, name, durable=False)
        if workshop.shared is not None and pusher.repository is not None and not pusher.failed:
            new = {one.key: layer for one, layer in zip(plan.layers, layers, strict=True) if _sharable(one)}
            workshop.shared.contribute(new, compatible, pusher.repository)

    with beside(beside_the_push) if destination is not None else nullcontext():
        pusher.finish(image, whole=whole)
    if any(isinstance(layer, Step) for layer in plan.layers):
        forget_failed(plan, workshop.store)
    uploaded = [one for one in carried if one.uploaded]
    workshop.listen(
        ImagePublished(
            plan.name,
            reference.with_digest(image.descriptor.digest),
            len(layers),
            sum(not one.written and not one.uploaded for one in carried),
            sum(one.layer.descriptor.size for one in uploaded),
            time.monotonic() - started,
            time.monotonic() - push_started,
        )
    )
    return image


def _offered(own: Sequence[OwnLayer], known: Mapping[Digest, Layer], workshop: Workshop) -> Mapping[Digest, Layer]:
    """The layers that are not here, and that the registry has."""
    if workshop.shared is None:
        return {}
    return workshop.shared.layers(planned.key for planned in own if planned.key not in known and _sharable(planned))


def _sharable(planned: AnyLayer) -> TypeGuard[OwnLayer]:
    """Whether the layer may be of use to others: the user's own files are of this image alone."""
    return not isinstance(planned, (GivenLayer, SourceLayer))


def _known(planned: OwnLayer, workshop: Workshop) -> Layer | None:
    layer = workshop.records.find(planned.key)
    return layer if layer is not None and workshop.store.exists(layer.descriptor) else None
