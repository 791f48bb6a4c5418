"""The images of several platforms -> one index of them, under the tag."""

from collections.abc import Mapping, Sequence

from imagewright.build.destination import Place, local_tag
from imagewright.errors import NetworkError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.image import Image
from imagewright.oci.index import Index
from imagewright.oci.reference import Reference
from imagewright.store.layout import Layout


def publish_index(
    images: Sequence[Image],
    annotations: Mapping[str, str],
    reference: Reference,
    store: Layout,
    destination: Place | None,
) -> Descriptor:
    """Store the index of images that are there already, and let the tag point to it.

    It is in the local store as well, when all of its images are there whole.
    """
    data = Index([image.descriptor for image in images], annotations=annotations).to_bytes()
    index = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
    whole = all(store.exists(image.descriptor) for image in images)
    if whole:
        store.push(index, [data])
        store.tag(index, local_tag(reference), durable=destination is None)
    if destination is None:
        return index
    try:
        destination.store.push(index, [data])
        destination.store.tag(index, destination.tag)
    except NetworkError as error:
        if whole:
            error.kept = error.kept or "the images are complete in the local store; nothing will be built again"
        raise
    return index
