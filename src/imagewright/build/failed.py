"""What a failed step leaves to look at: the layers before it, as the image ``NAME:failed`` of the local store."""

from collections.abc import Sequence
from contextlib import suppress

from imagewright.build.plan import Plan
from imagewright.errors import BuildError, StoreError
from imagewright.oci.descriptor import Layer
from imagewright.oci.image import assemble
from imagewright.store.layout import Layout

FAILED = "failed"
"""The tag. No other image of ours has it: each one's tag has its digest in it."""


def keep_failed(plan: Plan, below: Sequence[Layer], store: Layout, error: BuildError) -> None:
    """Tag the layers below the step that failed, and let its error say how to look around."""
    image = assemble(plan.config, below, plan.history[: len(below)], annotations=plan.annotations)
    name = f"{plan.name}:{FAILED}"
    with suppress(StoreError):  # a layer of the base is in its registry only: then there is nothing to look at here
        store.push(image.config_descriptor, [image.config])
        store.push(image.descriptor, [image.manifest])
        store.tag(image.descriptor, name, durable=False)
        error.fix = (*error.fix, f"look around as it was before: imagewright shell {name}")


def forget_failed(plan: Plan, store: Layout) -> None:
    """The image was built: what an earlier try has left is of no use."""
    store.untag(f"{plan.name}:{FAILED}")
