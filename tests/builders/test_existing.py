"""Whether an image is there, for the platforms that are asked for."""

from pathlib import Path

import pytest

from imagewright.build.destination import local_tag
from imagewright.build.publish_index import publish_index
from imagewright.build.session import Session
from imagewright.builders.existing import existing
from imagewright.errors import LockError
from imagewright.oci.config import ImageConfig
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.store.copy import copy_image
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.repository import Repository
from imagewright.testing.images import make_image
from imagewright.testing.registry import FakeRegistry
from imagewright.transport import Transport

BOTH = "linux/amd64,linux/arm64"


def put(store: Layout, reference: Reference, *platforms: str) -> Descriptor:
    """An image under this reference: an index when it is of several platforms."""
    made = [make_image(config=ImageConfig(Platform.parse(platform))) for platform in platforms]
    for one in made:
        one.push_to(store)
    if len(made) > 1:
        return publish_index([one.image for one in made], {}, reference, store, None)
    store.tag(made[0].image.descriptor, local_tag(reference))
    return made[0].image.descriptor


@pytest.mark.parametrize(
    ("asked", "there", "found"),
    [
        (BOTH, ["linux/amd64", "linux/arm64"], True),
        (BOTH, ["linux/amd64", "linux/arm64", "linux/s390x"], True),
        (BOTH, ["linux/amd64"], False),
        (BOTH, ["linux/amd64", "linux/s390x"], False),
        ("linux/arm64", ["linux/amd64", "linux/s390x"], False),
        ("linux/arm64", ["linux/amd64", "linux/arm64"], True),
    ],
)
def test_it_has_to_be_there_for_all_platforms(tmp_path: Path, asked: str, there: list[str], found: bool) -> None:
    """One that lacks a platform is built again, and takes the tag."""
    spec = ImageSpec("demo", platform=asked)
    descriptor = put(Layout(tmp_path / "store"), spec.reference, *there)

    reference = existing(spec, spec.reference, Session(tmp_path))

    assert reference == (spec.reference.with_digest(descriptor.digest) if found else None)


def test_one_platform_costs_one_request(tmp_path: Path) -> None:
    """Its tag is made of the spec's digest, in which the platform is: nothing has to be read."""
    made, source, registry = make_image(), MemoryStore(), FakeRegistry()
    with registry.serve() as place, Transport() as transport:
        spec = ImageSpec("demo", registry=place)
        copy_image(source, Repository(place, "demo", transport), made.push_to(source), tag=spec.tag)
        before = len(registry.requests)

        found = existing(spec, spec.reference, Session(tmp_path, transport=transport))

    assert found == spec.reference.with_digest(made.image.descriptor.digest)
    assert len(registry.requests) - before == 1


def test_an_image_that_somebody_else_made_is_looked_into(tmp_path: Path) -> None:
    """builder="noop" does not take an image for another platform; the error says which it is for."""
    made, source = make_image(config=ImageConfig(Platform("linux", "arm64"))), MemoryStore()
    with FakeRegistry().serve() as place, Transport() as transport:
        copy_image(source, Repository(place, "acme/train", transport), made.push_to(source), tag="v1")
        reference = Reference.parse(f"{place}/acme/train:v1")
        session = Session(tmp_path, transport=transport)

        found = existing(ImageSpec(platform="linux/arm64"), reference, session)
        with pytest.raises(LockError) as refused:
            existing(ImageSpec(), reference, session)

    assert found is not None
    assert "is not made for linux/amd64" in refused.value.what
    assert refused.value.fix == ('platform="linux/arm64"',)
