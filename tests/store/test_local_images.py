"""Images in files: what is written by tools of both kinds can be read, and is never changed."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from imagewright.errors import IntegrityError, LockError, StoreError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.manifest import Manifest
from imagewright.oci.platform import Platform
from imagewright.spec.base_image import LocalImage
from imagewright.spec.fields import Refused
from imagewright.store.archive import export_docker_archive, export_oci_archive
from imagewright.store.images import read_image
from imagewright.store.layout import Layout
from imagewright.store.local_images import open_local_image
from imagewright.store.memory import MemoryStore
from imagewright.testing.images import MadeImage, make_image

AMD64 = Platform("linux", "amd64")


@pytest.fixture
def made(tmp_path: Path) -> MadeImage:
    """An image as a layout and as both kinds of archive."""
    image, layout = make_image({"a": b"1"}, {"b": b"2" * 3_000_000}), Layout(tmp_path / "oci")
    layout.tag(image.push_to(layout), "demo:v1")
    with (tmp_path / "oci-archive").open("wb") as out:
        export_oci_archive(layout, image.image.descriptor, out, name="demo:v1")
    with (tmp_path / "docker-archive").open("wb") as out:
        export_docker_archive(layout, image.image.descriptor, out, name="demo:v1")
    return image


@pytest.mark.parametrize("name", ["", "demo:v1"])
@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_the_same_image_is_in_every_form(tmp_path: Path, made: MadeImage, kind: str, name: str) -> None:
    """Its layers and its config, whatever it lies in."""
    source, root = open_local_image(LocalImage(kind, kind, name), tmp_path)

    found = read_image(source, root, AMD64, name="demo")

    assert [layer.descriptor for layer in found.layers] == list(made.image.layers)
    for layer in found.layers:
        assert b"".join(source.fetch(layer.descriptor)) == made.blobs[layer.descriptor]
    assert found.titles == ("layer 0", "layer 1")


def docker_save(path: Path, layers: Mapping[str, bytes], links: Mapping[str, str]) -> None:
    """An archive as Docker before 25 writes it: plain tars in folders, and links for layers that come twice."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(data) for data in layers.values()] * 2},
        }
    ).encode()
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": [*layers, *links]}]
    with tarfile.open(path, "w") as tar:
        for name, data in {**layers, "c.json": config, "manifest.json": json.dumps(manifest).encode()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)


def test_an_archive_of_an_old_docker(tmp_path: Path) -> None:
    """Layers are plain tars, and one that comes twice is a link."""
    docker_save(tmp_path / "old.tar", {"1/layer.tar": b"x" * 512}, {"2/layer.tar": "../1/layer.tar"})

    source, root = open_local_image(LocalImage("docker-archive", "old.tar"), tmp_path)

    found = read_image(source, root, AMD64, name="old")
    blob = Descriptor(media_types.LAYER_TAR, digest_of(b"x" * 512), 512)
    assert [layer.descriptor for layer in found.layers] == [blob, blob]
    assert b"".join(source.fetch(blob)) == b"x" * 512


def test_a_damaged_blob_is_refused_and_left_where_it_is(tmp_path: Path, made: MadeImage) -> None:
    """Somebody else's folder is read and nothing more."""
    path = Layout(tmp_path / "oci").path(made.image.layers[0])
    path.write_bytes(b"y" * made.image.layers[0].size)
    source, _ = open_local_image(LocalImage("oci", "oci"), tmp_path)

    with pytest.raises(IntegrityError):
        list(source.fetch(made.image.layers[0]))

    assert path.exists()


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_what_is_no_image_is_an_error(tmp_path: Path, kind: str) -> None:
    """Not there, and there as something else."""
    for _ in range(2):
        with pytest.raises(StoreError) as refused:
            open_local_image(LocalImage(kind, "nothing"), tmp_path)
        assert refused.value.code == "IW521"
        (tmp_path / "nothing").write_bytes(b"no tar")


def test_one_of_several_images_has_to_be_named(tmp_path: Path, made: MadeImage) -> None:
    """A name that is not there is answered with those that are."""
    layout = Layout(tmp_path / "oci")
    layout.tag(make_image({"c": b"3"}).push_to(layout), "demo:v2")

    with pytest.raises(Refused, match="holds 2 images, of demo:v1, demo:v2"):
        open_local_image(LocalImage("oci", "oci"), tmp_path)


def test_the_platform_has_to_be_there(made: MadeImage) -> None:
    """An image for one platform is not taken for another's."""
    store = MemoryStore()
    with pytest.raises(LockError, match="not made for linux/arm64") as refused:
        read_image(store, made.push_to(store), Platform("linux", "arm64"), name="demo")

    assert refused.value.why == ("it is for linux/amd64",)


def test_a_docker_images_layers_get_the_words_of_oci() -> None:
    """The bytes are the same; an OCI manifest with Docker's media types is not taken everywhere."""
    made, store = make_image({"a": b"1"}), MemoryStore()
    made.push_to(store)
    layer = Descriptor(media_types.DOCKER_LAYER_GZIP, made.image.layers[0].digest, made.image.layers[0].size)
    config = made.image.config_descriptor
    data = Manifest(
        Descriptor(media_types.DOCKER_CONFIG, config.digest, config.size),
        (layer,),
        media_type=media_types.DOCKER_MANIFEST,
    ).to_bytes()
    root = Descriptor(media_types.DOCKER_MANIFEST, digest_of(data), len(data))
    store.push(root, [data])

    (found,) = read_image(store, root, AMD64, name="docker").layers

    assert found.descriptor == made.image.layers[0]
