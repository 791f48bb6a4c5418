"""What was seen to go wrong with the image specs of flytekit 1.16, its plugins and Flyte 2.12: a test for each."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.build.locks import DEBIAN, IMAGE, lock, moved, wheel

from imagewright.build.container_config import config_of
from imagewright.build.download import Downloads
from imagewright.build.lock_file import lock_text
from imagewright.build.plan import default_base, plan
from imagewright.build.session import Session
from imagewright.builders.ensure import ensure, ensure_all
from imagewright.errors import ImagewrightError
from imagewright.events import Event
from imagewright.oci.config import ImageConfig
from imagewright.oci.image import assemble
from imagewright.oci.platform import Platform
from imagewright.packages.deb.base import plan_base
from imagewright.packages.deb.releases import release_for
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout
from imagewright.testing.index import PackageIndex
from imagewright.testing.registry import FakeRegistry, Fault
from imagewright.testing.wheels import make_wheel
from imagewright.transport import Transport

AMD64 = Platform("linux", "amd64")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"packages": ["numpy", "six"]}, {"packages": ["six", "numpy"]}),
        ({"env": {"A": "1", "B": "2"}}, {"env": {"B": "2", "A": "1"}}),
        ({"packages": ["numpy>=1.26,<2"]}, {"packages": ["NumPy < 2, >= 1.26"]}),
        ({"registry": "localhost:30000"}, {"registry": "ghcr.io/acme"}),
    ],
    ids=["order of packages", "order of variables", "spelling", "registry"],
)
def test_order_spelling_and_registry_do_not_change_the_tag(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The same image under another tag is built again for nothing."""
    assert ImageSpec(**one).tag == ImageSpec(**other).tag


def test_a_base_that_moved_and_packages_that_were_not_pinned_are_another_image(tmp_path: Path) -> None:
    """Both are in the lock file, and the lock file is part of the tag."""
    spec = ImageSpec("demo", packages=["six"], base_image="python:3.11-slim", directory=tmp_path)
    file = spec.lock_file(AMD64)
    file.parent.mkdir()
    tags = set()
    for locked in (
        lock(wheel("six", "1.16.0"), base=IMAGE),
        lock(wheel("six", "1.17.0"), base=IMAGE),
        lock(wheel("six", "1.16.0"), base=moved(IMAGE, b"later")),
    ):
        file.write_text(lock_text(locked, spec.content))
        tags.add(replace(spec).tag)

    assert len(tags) == 3


def test_the_project_beside_a_lock_is_part_of_the_tag(tmp_path: Path) -> None:
    """uv.lock alone does not say what is installed."""
    (tmp_path / "uv.lock").write_text("version = 1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    before = ImageSpec(requirements="uv.lock", directory=tmp_path).tag
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'b'\n")

    assert ImageSpec(requirements="uv.lock", directory=tmp_path).tag != before


def test_a_python_that_is_not_named_is_the_same_on_every_machine() -> None:
    """It is a version of its own choice, not that of whoever builds, and it is part of the tag."""
    assert ImageSpec().python == "3.11"
    assert ImageSpec().tag == ImageSpec(python_version="3.11").tag != ImageSpec(python_version="3.13").tag


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"apt_packages": ["git"]}, {"packages": ["git"]}),
        ({"packages": ["a", "bc"]}, {"packages": ["ab", "c"]}),
        ({"commands": ["a", "bc"]}, {"commands": ["ab", "c"]}),
        ({"platform": "linux/amd64"}, {"platform": "linux/arm64"}),
        ({"python_version": "3.11"}, {"python_version": "3.13"}),
    ],
    ids=["kind of package", "packages", "commands", "platform", "python"],
)
def test_different_images_have_different_tags(one: dict[str, Any], other: dict[str, Any]) -> None:
    """However alike they are as text."""
    assert ImageSpec(**one).tag != ImageSpec(**other).tag


def test_specs_that_differ_in_their_builder_are_not_taken_for_each_other(tmp_path: Path) -> None:
    """Under one name and tag in one file, each is asked of its own builder."""
    fields: dict[str, Any] = {"name": "demo", "base_image": "localhost/train:v1"}
    native, noop = ImageSpec(**fields), ImageSpec(**fields, builder="noop")
    image = assemble(ImageConfig(AMD64), [], [])
    store = Layout(tmp_path / "store")
    for blob, data in ((image.config_descriptor, image.config), (image.descriptor, image.manifest)):
        store.push(blob, [data])
    store.tag(image.descriptor, str(native.reference))

    assert ensure_all([native], Session(tmp_path))[native].repository == "demo"
    with pytest.raises(ImagewrightError, match="localhost"):
        ensure_all([noop, native], Session(tmp_path))


def test_the_container_of_an_image_knows_whose_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where the code lies elsewhere and the files of the spec are not: what is declared is the same."""
    (tmp_path / "requirements.txt").write_text("six\n")
    here = ImageSpec(requirements=os.fspath(tmp_path / "requirements.txt"), copy=["data"], directory=tmp_path)
    monkeypatch.setenv("IMAGEWRIGHT_IMAGE", here.declared)

    there = ImageSpec(requirements="/root/requirements.txt", copy=["data"], directory=Path("/root"))

    assert there.is_container()
    assert not ImageSpec("other", packages=["six"]).is_container()


def test_a_registry_that_cannot_tell_is_not_taken_for_a_yes(tmp_path: Path) -> None:
    """The build stops there and then, and not the cluster, later."""
    events: list[Event] = []
    registry = FakeRegistry()
    registry.fault = lambda method, path: Fault(403)
    with registry.serve() as place, pytest.raises(ImagewrightError) as caught:
        ensure(ImageSpec("demo", registry=place), Session(tmp_path, listen=events.append))

    assert caught.value.fix
    assert events == []


def test_a_variable_may_hold_anything() -> None:
    """Spaces, quotes and line ends are part of the value, and not of a Dockerfile's grammar."""
    value = "a b=\"c\" 'd'\n$HOME \\"

    config = config_of(ImageSpec(env={"Debug": value}), plan_base(DEBIAN).target, ImageConfig(AMD64))

    assert f"Debug={value}" in json.loads(json.dumps(config.to_json([], [])))["config"]["Env"]


def test_a_pyproject_is_a_project_and_no_list_of_lines(tmp_path: Path) -> None:
    """Its dependencies are installed."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\ndependencies = ["demo<2"]\n')
    index = PackageIndex([make_wheel("demo", "1"), make_wheel("demo", "2")])
    with index.serve() as url:
        request = Request((), plan_base(DEBIAN).target, requirements_file=tmp_path / "pyproject.toml", index_url=url)
        uv = Uv(tmp_path / "uv", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
        resolution = resolve(request, uv=uv, pin=Downloads(tmp_path / "files", Transport()).pin)

    assert [(one.name, one.version) for one in resolution.wheels] == [("demo", "1")]


@pytest.mark.parametrize(
    ("registry", "reference"),
    [
        ("https://ghcr.io", "ghcr.io/demo"),
        ("https://ghcr.io/Acme/", "ghcr.io/acme/demo"),
        ("ghcr.io/flyteorg", "ghcr.io/flyteorg/demo"),
        ("localhost:30000/flyte", "localhost:30000/flyte/demo"),
        ("192.168.1.1:30000", "192.168.1.1:30000/demo"),
        ("myregistry:5000/myimage", "myregistry:5000/myimage/demo"),
        (
            "us-west1-docker.pkg.dev/example.com/my-project/my-repo",
            "us-west1-docker.pkg.dev/example.com/my-project/my-repo/demo",
        ),
        ("flyteorg", "docker.io/flyteorg/demo"),
        ("", "demo"),
    ],
)
def test_a_registry_may_be_written_as_people_write_it(registry: str, reference: str) -> None:
    """With a scheme, which the documentation shows; as an organisation of Docker Hub; or not at all."""
    spec = ImageSpec("demo", registry=registry)

    assert str(spec.reference) == f"{reference}:{spec.tag}"


@pytest.mark.parametrize("registry", ["invalid:port:50000", "ghcr.io/flyteorg:latest", "flyteorg:latest"])
def test_what_is_no_registry_is_refused(registry: str) -> None:
    """By a ValueError, as flytekit does."""
    with pytest.raises(ValueError, match="registry"):
        ImageSpec(registry=registry)


@pytest.mark.parametrize("python", ["3.9", "3.11", "3.13", "3.14"])
def test_new_pythons_have_a_default_image(python: str) -> None:
    """As soon as Debian has them."""
    assert release_for(python).python == python


def test_an_image_says_what_it_was_made_of() -> None:
    """The link from an image to what made it is in the image, not in somebody's log."""
    base = default_base(DEBIAN)

    made = plan(ImageSpec(packages=["six"]), lock(wheel("six", "1.16.0")), base, ())

    assert "six" in made.annotations["dev.imagewright.lock"]
    assert made.annotations["dev.imagewright.spec"] == ImageSpec(packages=["six"]).digest


_FIELDS: list[str] = ["packages", "conda_channels", "conda_packages", "apt_packages", "pip_extra_index_url", "commands"]


@pytest.mark.parametrize("field", [*_FIELDS, "entrypoint"])
@pytest.mark.parametrize("value", ["requirements.txt", [1, 2, 3]])
def test_a_list_of_strings_is_nothing_else(field: str, value: object) -> None:
    """A bare string is not taken for its letters; the error is a ValueError, as flytekit's."""
    make: Callable[..., ImageSpec] = ImageSpec

    with pytest.raises(ValueError, match=field):
        make(**{field: value})
