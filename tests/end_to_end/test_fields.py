"""Each cell of docs/reference/fields.md: a field of an ImageSpec on a kind of base, and what a task sees in the image."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from tests.end_to_end.bases import Bases
from tests.end_to_end.fields import FIELDS, KINDS, Refused, Works, cell, refusals, written
from tests.end_to_end.gallery import Gallery, gallery
from tests.end_to_end.test_base_images import bases as bases  # a fixture

from imagewright.build.registry_config import with_registry_configs
from imagewright.build.session import Session
from imagewright.builders.ensure import ensure
from imagewright.errors import ImagewrightError
from imagewright.spec import ImageSpec

COMPANIONS = {"brought": ("conda_packages", "conda_channels")}
WORKING = [(kind, name) for kind in KINDS for name in FIELDS if isinstance(cell(name, kind), Works)]


@pytest.fixture(scope="module")
def images(cache: Path, bases: Bases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """What is built and seen for all of them."""
    with gallery(cache, tmp_path_factory.mktemp("fields"), bases) as made:
        yield made


def test_every_field_is_in_the_table() -> None:
    """Those that two equal specs share: not where and by whom one was declared."""
    assert list(FIELDS) == [one.name for one in fields(ImageSpec) if one.compare]


@pytest.mark.network
@pytest.mark.root
@pytest.mark.parametrize(("kind", "name"), WORKING)
def test_it_works(images: Gallery, kind: str, name: str) -> None:
    """The task, or the image's documents, have what the field asks for."""
    found, expected = FIELDS[name].look(images.seen(KINDS[kind].shown_by or kind))

    assert found == expected


@pytest.mark.network
@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "name", "refused"), [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in refusals()]
)
def test_it_is_refused(images: Gallery, kind: str, name: str, refused: Refused) -> None:
    """With the error that says why, before anything is built."""
    names = {**images.names, "KIND": kind, "ImageSpec": ImageSpec}
    texts = {
        one: written(one, kind)
        for one in ("base_image", "registry_config", *COMPANIONS.get(kind, ()), *FIELDS[name].needs, name)
    }
    given = {one: eval(text, names) for one, text in {**texts, name: refused.value or texts[name]}.items() if text}
    spec = ImageSpec(**{"name": "refused", "directory": images.folder, **given})
    session = Session(images.cache, images.environ(), debian_snapshots=images.archives["made"])

    with pytest.raises(ImagewrightError) as error:
        ensure(spec, with_registry_configs([spec], session))

    text = "\n".join([error.value.what, *error.value.why])
    assert (error.value.code, refused.said in text) == (refused.code, True), text
