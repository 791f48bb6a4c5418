"""skopeo and umoci read what the local store and its archives hold."""

import json
from pathlib import Path

import pytest

from imagewright.oci.config import ImageConfig
from imagewright.oci.platform import Platform
from imagewright.store.archive import export_docker_archive, export_oci_archive
from imagewright.store.layout import Layout
from imagewright.testing.engines import output_of
from imagewright.testing.images import MadeImage, make_image

pytestmark = pytest.mark.tool

TAG = "acme/demo:1.0"


@pytest.fixture
def made() -> MadeImage:
    """An image of two layers, the upper of which replaces a file of the lower."""
    config = ImageConfig(Platform("linux", "amd64"), env={"GREETING": "hello"}, labels={"a": "b"}, workdir="/home")
    return make_image({"etc/motd": b"old\n", "etc/keep": b"kept\n"}, {"etc/motd": b"new\n"}, config=config)


@pytest.fixture
def layout(made: MadeImage, tmp_path: Path) -> Layout:
    """A store with the image under `TAG`."""
    layout = Layout(tmp_path / "store")
    layout.tag(made.push_to(layout), TAG)
    return layout


def test_skopeo_inspects_the_local_store(skopeo: str, made: MadeImage, layout: Layout) -> None:
    """``skopeo inspect oci:FOLDER:NAME`` says what the image says of itself."""
    said = json.loads(output_of(skopeo, "inspect", f"oci:{layout.root}:{TAG}"))

    assert said["Digest"] == made.image.descriptor.digest
    assert said["Architecture"] == "amd64"
    assert said["Env"] == ["GREETING=hello"]
    assert said["Labels"] == {"a": "b"}
    assert said["Layers"] == [layer.digest for layer in made.image.layers]


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_skopeo_reads_the_archives(skopeo: str, made: MadeImage, layout: Layout, tmp_path: Path, kind: str) -> None:
    """Copied out of an archive, the image has the same layers."""
    archive = tmp_path / "image.tar"
    export = export_oci_archive if kind == "oci-archive" else export_docker_archive
    with archive.open("wb") as out:
        export(layout, made.image.descriptor, out, name=TAG)

    output_of(skopeo, "copy", "--quiet", f"{kind}:{archive}:{TAG}", f"oci:{tmp_path / 'copy'}:copied")

    copied = json.loads(output_of(skopeo, "inspect", "--config", f"oci:{tmp_path / 'copy'}:copied"))
    assert copied["rootfs"]["diff_ids"] == json.loads(made.image.config)["rootfs"]["diff_ids"]
    assert copied["config"]["Env"] == ["GREETING=hello"]


def test_skopeo_copies_into_the_local_store(skopeo: str, made: MadeImage, layout: Layout, tmp_path: Path) -> None:
    """A store that skopeo wrote to is still one that can be read, and a store that it made can be written to."""
    output_of(skopeo, "copy", "--quiet", f"oci:{layout.root}:{TAG}", f"oci:{tmp_path / 'theirs'}:a:1")
    theirs = Layout(tmp_path / "theirs")

    assert theirs.resolve("a:1") == made.image.descriptor
    other = make_image({"b": b"2"})
    theirs.tag(other.push_to(theirs), "b:2")
    assert [image.name_tag for image in theirs.images()] == ["a:1", "b:2"]
    assert json.loads(output_of(skopeo, "inspect", f"oci:{theirs.root}:b:2"))["Digest"] == other.image.descriptor.digest


def test_umoci_unpacks_the_local_store(umoci: str, layout: Layout, tmp_path: Path) -> None:
    """The layers lie over each other as they should."""
    output_of(umoci, "unpack", "--rootless", "--image", f"{layout.root}:{TAG}", str(tmp_path / "bundle"))

    etc = tmp_path / "bundle" / "rootfs" / "etc"
    assert (etc / "motd").read_text() == "new\n"
    assert (etc / "keep").read_text() == "kept\n"
