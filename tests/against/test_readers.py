"""skopeo, crane, oras, podman and docker read what was pushed: gzip and zstd, one image and an index, from two registries."""

import gzip
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagewright.oci import media_types
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import Digest, digest_of, hex_of
from imagewright.oci.image import Image, assemble
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

pytestmark = pytest.mark.tool

FORMS = ("gzip", "zstd")
SHAPES = ("image", "index")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """The command lines of a program: the manifest or index as it is, the config for an architecture, a copy as an OCI layout."""

    manifest: Callable[[str], Words]
    config: Callable[[str, str], Words]
    copy: Callable[[str, Path], Words]


READERS = {
    "skopeo": Reader(
        lambda name: ("inspect", "--raw", "--tls-verify=false", f"docker://{name}"),
        lambda name, arch: (
            *("inspect", "--config", "--raw", "--tls-verify=false", f"--override-arch={arch}", f"docker://{name}"),
        ),
        lambda name, to: (
            *("copy", "--quiet", "--all", "--preserve-digests"),
            *("--src-tls-verify=false", f"docker://{name}", f"oci:{to}:v1"),
        ),
    ),
    "crane": Reader(
        lambda name: ("manifest", "--insecure", name),
        lambda name, arch: ("config", "--insecure", f"--platform=linux/{arch}", name),
        lambda name, to: ("pull", "--insecure", "--format=oci", name, str(to)),
    ),
    "oras": Reader(
        lambda name: ("manifest", "fetch", "--plain-http", name),
        lambda name, arch: ("manifest", "fetch-config", "--plain-http", f"--platform=linux/{arch}", name),
        lambda name, to: ("cp", "--no-tty", "--from-plain-http", "--to-oci-layout", name, f"{to}:v1"),
    ),
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """What lies in a registry under ``reference``: its manifest or index, all blobs, and its images by architecture.

    ``text`` is what it prints. No two of them share a layer, so that each has to be read.
    """

    reference: str
    root: Digest
    blobs: Mapping[Digest, bytes]
    images: Mapping[str, Image]
    text: str
    form: str

    @property
    def pinned(self) -> str:
        """The reference by digest."""
        return f"{self.reference.rpartition(':')[0]}@{self.root}"


@pytest.fixture(params=["docker-registry", "registry in memory"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the image is pushed to."""
    if request.param == "docker-registry":
        yield request.getfixturevalue("registry_place")
        return
    with FakeRegistry(separate=True).serve() as place:
        yield place


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    """One image, or an index of two."""
    return str(request.param)


@pytest.fixture(params=FORMS)
def pushed(request: pytest.FixtureRequest, place: str, shape: str) -> Pushed:
    """An image, or an index for two architectures, in the registry."""
    form = str(request.param)
    architectures = ("amd64", "arm64") if shape == "index" else ("amd64",)
    name = f"readers/{form}-{shape}"
    text = f"read by others from {place}/{name}\n"
    source = MemoryStore()
    blobs: dict[Descriptor, bytes] = {}
    images = {}
    for architecture in architectures:
        images[architecture], made = make(form, architecture, text)
        blobs |= made
    root = images["amd64"].descriptor
    if shape == "index":
        data = Index(tuple(image.descriptor for image in images.values())).to_bytes()
        root = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
        blobs[root] = data
    for descriptor, data in blobs.items():
        source.push(descriptor, [data])
    with Transport() as transport:
        copy_image(source, Repository(place, name, transport), root, tag="v1")
    contents = {descriptor.digest: data for descriptor, data in blobs.items()}
    return Pushed(f"{place}/{name}:v1", root.digest, contents, images, text, form)


def make(form: str, architecture: str, text: str) -> tuple[Image, dict[Descriptor, bytes]]:
    """An image of two layers with a program, and its blobs."""
    layers = [
        make_layer({"bin/hello": printing_program(text.encode())}),
        make_layer({"etc/for": f"{architecture}: {text}".encode()}),
    ]
    if form == "zstd":
        layers = [in_zstd(*one) for one in layers]
    config = ImageConfig(Platform("linux", architecture), entrypoint=("/bin/hello",))
    image = assemble(config, [layer for layer, _ in layers], [HistoryEntry("a"), HistoryEntry("b")])
    blobs = {layer.descriptor: data for layer, data in layers}
    return image, {**blobs, image.config_descriptor: image.config, image.descriptor: image.manifest}


def in_zstd(layer: Layer, data: bytes) -> tuple[Layer, bytes]:
    """The same tar, compressed by the program zstd."""
    if reason := missing("zstd"):
        pytest.skip(reason)
    plain = gzip.decompress(data)
    packed = subprocess.run(["zstd", "-q", "-c"], input=plain, capture_output=True, check=True, timeout=60).stdout
    return Layer(Descriptor(media_types.LAYER_ZSTD, digest_of(packed), len(packed)), layer.diff_id), packed


@pytest.mark.parametrize(
    "name",
    [
        "skopeo",
        pytest.param("crane", marks=pytest.mark.network),
        pytest.param("oras", marks=pytest.mark.network),
    ],
)
def test_a_program_reads_all_of_it(name: str, pushed: Pushed, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Its manifest or index, the config for each architecture, and a copy of every blob, byte for byte."""
    program, reader = str(request.getfixturevalue(name)), READERS[name]

    manifest = output_of(program, *reader.manifest(pushed.reference))
    configs = {one: output_of(program, *reader.config(pushed.reference, one)) for one in pushed.images}
    output_of(program, *reader.copy(pushed.reference, tmp_path / "copy"))

    assert manifest.encode() == pushed.blobs[pushed.root]
    assert {one: text.encode() for one, text in configs.items()} == {
        one: image.config for one, image in pushed.images.items()
    }
    copied = {path.name: path.read_bytes() for path in (tmp_path / "copy/blobs/sha256").iterdir()}
    assert copied == {hex_of(digest): data for digest, data in pushed.blobs.items()}
    named = json.loads((tmp_path / "copy/index.json").read_bytes())["manifests"]
    assert pushed.root in [one["digest"] for one in named]


@pytest.mark.network
def test_crane_unpacks_it(crane: str, pushed: Pushed) -> None:
    """The files of each architecture; what is in gzip agrees with every digest, size and diff_id that is declared of it."""
    if pushed.form == "gzip":  # `validate` takes every layer for gzip
        output_of(crane, "validate", "--insecure", "--remote", pushed.reference)

    for architecture in pushed.images:
        platform_option = f"--platform=linux/{architecture}"
        export = [crane, "export", "--insecure", platform_option, pushed.reference, "-"]
        tar = subprocess.run(export, capture_output=True, check=True, timeout=60).stdout
        with tarfile.open(fileobj=io.BytesIO(tar)) as files:
            names, (content,) = files.getnames(), [files.extractfile(one) for one in files if one.name == "etc/for"]
            assert "bin/hello" in names
            assert content is not None
            assert content.read() == f"{architecture}: {pushed.text}".encode()


@pytest.mark.root
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the test's program is for x86-64")
@pytest.mark.parametrize(
    "engine", ["podman", pytest.param("docker_with_zstd", marks=pytest.mark.network)], indirect=True
)
def test_an_engine_runs_it(engine: Engine, pushed: Pushed) -> None:
    """Pulled by its digest, of an index the image for this machine: its config and layers are the ones that were pushed."""
    image = pushed.images["amd64"]

    said = engine.run(pushed.pinned)

    (read,) = json.loads(engine.call("image", "inspect", pushed.pinned))
    assert said == pushed.text
    # A docker that keeps its images in containerd calls them by what was pulled, all others by the config.
    assert read["Id"].removeprefix("sha256:") in map(hex_of, (image.config_descriptor.digest, pushed.root))
    assert pushed.pinned in read["RepoDigests"]
    assert read["RootFS"]["Layers"] == json.loads(image.config)["rootfs"]["diff_ids"]
