"""The seed example's image, from Debian's docker-registry: other people's programs read it, copy it, unpack it and run it."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from imagewright.oci.config import ImageConfig
from imagewright.oci.platform import Platform
from imagewright.store.copy import copy_image
from imagewright.store.layout import Layout
from imagewright.store.registry.repository import Repository
from imagewright.testing.engines import Engine, output_of
from imagewright.testing.images import make_image
from imagewright.testing.programs import printing_program
from imagewright.transport import Transport

pytestmark = [
    pytest.mark.tool,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the image is for x86-64"),
]

EXAMPLE = Path(__file__).parents[2] / "examples" / "image_build.py"
SITE_PACKAGES = "opt/imagewright/lib/python3.11/site-packages"
SUM = "import numpy as np; print(np.array([1, 2, 3]).sum(), np.__version__, np.linalg.norm([3.0, 4.0]))"


@pytest.fixture(scope="module")
def pushed(registry_place: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The example's image, built and pushed by the command: its reference, by digest."""
    cache = os.environ.get("IMAGEWRIGHT_TEST_CACHE") or str(tmp_path_factory.mktemp("cache"))
    built = subprocess.run(
        [
            str(Path(sys.executable).with_name("imagewright")), "build", str(EXAMPLE),
            "--registry", f"{registry_place}/full", "--cache-dir", cache,
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return built.stdout.strip()


@pytest.mark.network
def test_skopeo_inspects_it(skopeo: str, pushed: str) -> None:
    """The digest is what the command printed; its layers and platform are read."""
    told = json.loads(output_of(skopeo, "inspect", "--tls-verify=false", f"docker://{pushed}"))

    assert told["Digest"] == pushed.partition("@")[2]
    assert (told["Os"], told["Architecture"]) == ("linux", "amd64")
    assert len(told["Layers"]) == len(set(told["Layers"])) == 3


@pytest.mark.network
def test_skopeo_copies_it_and_umoci_unpacks_the_copy(skopeo: str, umoci: str, pushed: str, tmp_path: Path) -> None:
    """A copy in an OCI layout is the same image; unpacked, numpy lies where Python looks for it."""
    output_of(skopeo, "copy", "--src-tls-verify=false", f"docker://{pushed}", f"oci:{tmp_path}/copy:it")
    output_of(umoci, "unpack", "--rootless", "--image", f"{tmp_path}/copy:it", f"{tmp_path}/bundle")

    index = json.loads((tmp_path / "copy/index.json").read_text())
    assert index["manifests"][0]["digest"] == pushed.partition("@")[2]
    tree = tmp_path / "bundle/rootfs"
    assert (tree / SITE_PACKAGES / "numpy/__init__.py").is_file()
    assert (tree / "usr/bin/python3.11").stat().st_mode & 0o111


@pytest.mark.network
@pytest.mark.root
@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_an_engine_runs_it(engine: Engine, pushed: str) -> None:
    """Pulled by its digest, it imports numpy and computes, as its own user and without a network."""
    printed = engine.run(pushed, "python", "-c", SUM)

    assert printed == "6 1.26.4 5.0\n"


@pytest.mark.root
@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_sixty_layers_run(engine: Engine, registry_place: str, tmp_path: Path) -> None:
    """As many layers as the budget of a large image has: docker's overlay driver and podman's stack them."""
    files: list[dict[str, bytes]] = [{f"opt/part-{number}": b"x" * number} for number in range(59)]
    made = make_image(
        *files,
        {"bin/hello": printing_program(b"sixty\n")},
        config=ImageConfig(Platform("linux", "amd64"), entrypoint=("/bin/hello",)),
    )
    layout = Layout(tmp_path)
    descriptor = made.push_to(layout)
    with Transport() as transport:
        copy_image(layout, Repository(registry_place, "full/sixty", transport), descriptor, tag="latest")

    printed = engine.run(f"{registry_place}/full/sixty@{descriptor.digest}")

    assert printed == "sixty\n"
    if engine.name == "docker":
        assert engine.call("info", "--format", "{{.Driver}}").strip() == "overlay2"
