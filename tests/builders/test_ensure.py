from pathlib import Path

import pytest

from imagewright.build.destination import local_tag, target_reference
from imagewright.build.session import Session
from imagewright.builders.catalog import builder_named
from imagewright.builders.ensure import ensure, ensure_all
from imagewright.builders.native import BUILDER_OPTIONS, check_supported
from imagewright.errors import BuildError, LockError, NetworkError, SandboxError, SpecError, UsageError
from imagewright.events import Event, ImageFound
from imagewright.oci.config import ImageConfig
from imagewright.oci.image import Image, assemble
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout


def stored(folder: Path, tag: str) -> Image:
    """An image without layers, under this tag in the local store of the cache ``folder``."""
    image = assemble(ImageConfig(Platform("linux", "amd64")), [], [])
    store = Layout(folder / "store")
    store.push(image.config_descriptor, [image.config])
    store.push(image.descriptor, [image.manifest])
    store.tag(image.descriptor, tag)
    return image


def test_an_image_that_is_there_is_not_built(tmp_path: Path) -> None:
    """It is found by its tag, and the reference that comes back is pinned."""
    events: list[Event] = []
    spec = ImageSpec("demo", packages=["six"])
    image = stored(tmp_path, local_tag(spec.reference))

    reference = ensure(spec, Session(tmp_path, listen=events.append))

    assert reference.pinned == f"demo@{image.descriptor.digest}"
    assert [type(event) for event in events] == [ImageFound]


def test_a_registry_that_does_not_answer_is_neither_a_yes_nor_a_no(tmp_path: Path) -> None:
    """Nothing is built and nothing assumed: the error says which registry, and what helps."""
    events: list[Event] = []
    spec = ImageSpec("demo", packages=["six"], registry="localhost:1")

    with pytest.raises(NetworkError, match="localhost:1") as failed:
        ensure(spec, Session(tmp_path, listen=events.append))

    assert failed.value.code == "IW501"
    assert failed.value.fix
    assert events == []


def test_equal_images_are_asked_for_once(tmp_path: Path) -> None:
    """Specs that make one image under one name are one image, however often they are declared."""
    events: list[Event] = []
    one, same = ImageSpec("demo", packages=["six", "idna"]), ImageSpec("demo", packages=["idna", "six"])
    other = ImageSpec("other", packages=["six", "idna"])
    for spec in (one, other):
        stored(tmp_path, local_tag(spec.reference))

    made = ensure_all([one, same, other], Session(tmp_path, listen=events.append))

    assert made[one] == made[same] != made[other]
    assert len(events) == 2


def test_noop_takes_the_base_image_as_it_is(tmp_path: Path) -> None:
    """An image that somebody else made is found, and one that is not there is an error, not a promise."""
    spec = ImageSpec(builder="noop", base_image="localhost/train:v1")

    with pytest.raises(NetworkError):
        ensure(spec, Session(tmp_path))
    with pytest.raises(BuildError, match="builds nothing"):
        ensure(spec, Session(tmp_path), force=True)
    with pytest.raises(SpecError, match="base_image"):
        ensure(ImageSpec(builder="noop"), Session(tmp_path))


def test_a_builder_goes_by_its_exact_name() -> None:
    """A name that no package brings is an error that lists those that are there."""
    with pytest.raises(SandboxError, match="no builder 'envd'") as missing:
        builder_named("envd")

    assert missing.value.code == "IW602"
    assert "native, noop" in " ".join(missing.value.why)


NOT_YET = {
    "builder_config": {"buildkit_image": "x"},
    "builder_options": {"nonsense": 1},
}


@pytest.mark.parametrize("field", NOT_YET)
def test_no_field_is_passed_over_in_silence(field: str) -> None:
    """A field that the native builder cannot build is an error at build time that names it."""
    with pytest.raises(LockError) as refused:
        check_supported(ImageSpec(**{field: NOT_YET[field]}))  # type: ignore[arg-type]

    assert refused.value.code == "IW204"
    assert field in refused.value.what or field in " ".join(refused.value.why)


def test_every_option_is_one_that_is_read() -> None:
    """The options that the native builder takes are those that a plan looks at."""
    values = {
        "allow_bad_record": ["six"],
        "allow_overwrite": ["six", "idna"],
        "command_network": False,
        "command_timeout": 60,
        "only_binary": False,
        "build_apt_packages": ["libpq-dev"],
        "build_requires": {"psycopg2": ["setuptools<81"]},
        "build_env": {"CFLAGS": "-O1"},
        "build_network": False,
        "conda_post_link": "skip",
    }
    assert values.keys() == BUILDER_OPTIONS
    assert check_supported(ImageSpec(builder_options=values))


@pytest.mark.parametrize(
    "option",
    [
        {"command_network": "no"},
        {"command_timeout": 0},
        {"command_timeout": "1m"},
        {"allow_bad_record": "six"},
        {"allow_overwrite": {"LICENSE": "six"}},
        {"allow_overwrite": ["my_package", "My.Package"]},
        {"only_binary": "numpy"},
        {"build_apt_packages": "libpq-dev"},
        {"build_requires": ["setuptools<81"]},
        {"build_env": {"CFLAGS": 1}},
        {"build_network": "yes"},
        {"conda_post_link": "yes"},
    ],
)
def test_an_option_with_a_value_that_cannot_work_is_refused(option: dict[str, object]) -> None:
    """It is said before anything is asked or built."""
    with pytest.raises(SpecError, match=next(iter(option))):
        check_supported(ImageSpec(builder_options=option))


@pytest.mark.parametrize(
    ("registry", "reference"),
    [
        ("", "ghcr.io/acme/demo"),
        ("local", "demo"),
        ("localhost:30000", "localhost:30000/demo"),
        ("registry.example.com/team", "registry.example.com/team/demo"),
    ],
)
def test_a_registry_of_the_command_line_takes_the_place_of_the_specs(
    tmp_path: Path, registry: str, reference: str
) -> None:
    """--registry goes before ImageSpec(registry=...); "local" is the local store."""
    spec = ImageSpec("demo", registry="ghcr.io/acme")

    target = target_reference(spec, Session(tmp_path, registry=registry))

    assert str(target) == f"{reference}:{spec.tag}"


def test_a_registry_that_is_none_is_refused(tmp_path: Path) -> None:
    """The text says what to write."""
    with pytest.raises(UsageError, match="not a registry"):
        target_reference(ImageSpec("demo"), Session(tmp_path, registry="a b"))


def test_an_image_of_a_registry_has_its_whole_name_in_the_local_store() -> None:
    """Images of two registries with one name do not take each other's place."""
    assert local_tag(Reference("localhost:30000", "demo", "v1")) == "localhost:30000/demo:v1"
    assert local_tag(Reference("", "demo", "v1")) == "demo:v1"
