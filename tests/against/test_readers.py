"""skopeo, podman and docker read what was pushed: gzip and zstd, one image and an index, from two registries."""

import json
import platform
import subprocess
from collections.abc import Iterator

import pytest

from imagewright.oci import media_types
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import digest_of
from imagewright.oci.image import assemble
from imagewright.oci.index import Index
from imagewright.oci.platform import Platform
from imagewright.store.copy import copy_image
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.repository import Repository
from imagewright.testing.engines import Engine, missing, output_of
from imagewright.testing.fake_registry import FakeRegistry
from imagewright.testing.images import make_layer
from imagewright.testing.programs import printing_program
from imagewright.transport import Transport

pytestmark = [
    pytest.mark.tool,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the test's program is for x86-64"),
]

TEXT = "read by others\n"
FORMS = ("gzip", "zstd")
SHAPES = ("image", "index")


@pytest.fixture(params=["docker-registry", "registry in memory"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the image is pushed to."""
    if request.param == "docker-registry":
        yield request.getfixturevalue("registry_place")
        return
    with FakeRegistry(separate=True).serve() as place:
        yield place


def zstd(layer: Layer, data: bytes) -> tuple[Layer, bytes]:
    """The same tar, compressed by the program zstd."""
    import gzip

    if reason := missing("zstd"):
        pytest.skip(reason)
    plain = gzip.decompress(data)
    packed = subprocess.run(["zstd", "-q", "-c"], input=plain, capture_output=True, check=True, timeout=60).stdout
    return Layer(Descriptor(media_types.LAYER_ZSTD, digest_of(packed), len(packed)), layer.diff_id), packed


def image_in(store: MemoryStore, form: str, architecture: str) -> Descriptor:
    layers = [
        make_layer({"bin/hello": printing_program(TEXT.encode())}),
        make_layer({"etc/for": architecture.encode()}),
    ]
    made = [zstd(*one) if form == "zstd" else one for one in layers]
    config = ImageConfig(Platform("linux", architecture), entrypoint=("/bin/hello",))
    image = assemble(config, [layer for layer, _ in made], [HistoryEntry("a"), HistoryEntry("b")])
    for layer, data in made:
        store.push(layer.descriptor, [data])
    store.push(image.config_descriptor, [image.config])
    store.push(image.descriptor, [image.manifest])
    return image.descriptor


def pushed(place: str, form: str, shape: str) -> tuple[str, Descriptor, bytes]:
    """The reference of an image in the registry, its manifest's or index's descriptor, and bytes."""
    source = MemoryStore()
    root = image_in(source, form, "amd64")
    if shape == "index":
        data = Index((root, image_in(source, form, "arm64"))).to_bytes()
        root = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
        source.push(root, [data])
    name = f"readers/{form}-{shape}"
    with Transport() as transport:
        copy_image(source, Repository(place, name, transport), root, tag="v1")
    return f"{place}/{name}:v1", root, b"".join(source.fetch(root))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_skopeo_reads_it_byte_for_byte(
    skopeo: str, place: str, form: str, shape: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its manifest, its platforms, and a copy of all of it."""
    reference, root, data = pushed(place, form, shape)
    plain = ("--src-tls-verify=false",)
    folder = tmp_path_factory.mktemp("copy")

    raw = output_of(skopeo, "inspect", "--raw", "--tls-verify=false", f"docker://{reference}")
    output_of(skopeo, "copy", "--quiet", "--all", *plain, f"docker://{reference}", f"dir:{folder}")

    assert raw.encode() == data
    assert (folder / "manifest.json").read_bytes() == data
    assert digest_of((folder / "manifest.json").read_bytes()) == root.digest
    if shape == "index":
        said = json.loads(
            output_of(skopeo, "inspect", "--tls-verify=false", "--override-arch=arm64", f"docker://{reference}")
        )
        assert said["Architecture"] == "arm64"


@pytest.mark.root
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_podman_runs_it(podman: Engine, place: str, form: str, shape: str) -> None:
    """Pulled by its tag; of an index, the image for this machine."""
    reference, _, _ = pushed(place, form, shape)

    assert podman.run(reference) == TEXT


@pytest.mark.root
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_docker_runs_it(docker: Engine, place: str, form: str, shape: str) -> None:
    """As podman does; zstd since docker 23."""
    version = docker.call("version", "--format", "{{.Server.Version}}")
    if form == "zstd" and int(version.split(".")[0]) < 23:
        pytest.skip(f"docker {version.strip()} reads no zstd")
    reference, root, _ = pushed(place, form, shape)

    assert docker.run(f"{reference.rpartition(':')[0]}@{root.digest}") == TEXT
