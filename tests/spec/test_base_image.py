"""Base images that are files: how they are written, and what of them is in the identity."""

from pathlib import Path

import pytest

from imagewright.errors import SpecError
from imagewright.spec import ImageSpec
from imagewright.spec.base_image import LocalImage, parse_local
from imagewright.store.archive import export_docker_archive, export_oci_archive
from imagewright.store.layout import Layout
from imagewright.testing.images import make_image


def write(folder: Path, content: bytes) -> None:
    """An image in every form."""
    layout = Layout(folder / "layout")
    image = make_image({"a": content}).push_to(layout)
    layout.tag(image, "demo:v1")
    for name, export in (("o.tar", export_oci_archive), ("d.tar", export_docker_archive)):
        with (folder / name).open("wb") as out:
            export(layout, image, out, name="demo:v1")


def test_a_place_is_told_from_a_reference() -> None:
    """As skopeo writes them; the name may have colons, the path has none."""
    assert parse_local("oci:store:localhost:30000/a:b") == LocalImage("oci", "store", "localhost:30000/a:b")
    assert parse_local("oci-archive:a.tar") == LocalImage("oci-archive", "a.tar")
    assert parse_local("python:3.11-slim") is None


@pytest.mark.parametrize("base", ["oci:layout", "oci:layout:demo:v1", "oci-archive:o.tar", "docker-archive:d.tar"])
def test_the_content_is_the_identity_and_the_place_is_not(tmp_path: Path, base: str) -> None:
    """Another content is another image and asks for another lock; another folder is not."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        write(folder, b"1")
    first = ImageSpec(base_image=base, directory=here)
    assert first.digest == ImageSpec(base_image=base, directory=there).digest
    assert first.required == ImageSpec(base_image=base, directory=there).required

    write(there, b"2")

    second = ImageSpec(base_image=base, directory=there)
    assert (second.digest == first.digest, second.required == first.required) == (False, False)
    assert second.declared == first.declared


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("oci:nothing", "is not there"),
        ("oci-archive:text", "is no tar of an OCI image layout"),
        ("docker-archive:text", "is no archive"),
        ("oci:layout:demo:v9", "has no image 'demo:v9', of demo:v1"),
    ],
)
def test_a_place_without_an_image_is_an_error(tmp_path: Path, base: str, says: str) -> None:
    """When the identity is asked for; making the spec reads nothing."""
    write(tmp_path, b"1")
    (tmp_path / "text").write_text("no tar")
    spec = ImageSpec(base_image=base, directory=tmp_path)

    with pytest.raises(SpecError, match=says):
        _ = spec.digest


def test_a_kind_without_a_path_is_refused() -> None:
    """At once."""
    with pytest.raises(SpecError, match="names no file"):
        ImageSpec(base_image="oci-archive:")
