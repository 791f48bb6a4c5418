"""An image for two platforms, pushed to Debian's docker-registry: skopeo, podman and docker find theirs in it."""

import json
import platform
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run, cache, command, imagewright  # noqa: F401  (fixtures)

from imagewright.testing.engines import Engine, output_of

pytestmark = [pytest.mark.tool, pytest.mark.network]

APP = """
from imagewright import ImageSpec, task, workflow

image = ImageSpec("both", packages=["numpy==2.0.2", "six==1.17.0"], platform=["linux/arm64", "linux/amd64"])


@task(container_image=image)
def look() -> str:
    import os

    import numpy
    import six

    return f"{os.uname().machine} {numpy.__version__} {six.__version__}"


@workflow
def main() -> str:
    return look()
"""


@pytest.fixture
def built(imagewright: Run, registry_place: str, tmp_path: Path) -> str:  # noqa: F811
    """The pinned reference of an index of both, in the registry."""
    (tmp_path / "app.py").write_text(APP)
    made = imagewright("build", "app.py", "--registry", registry_place)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_skopeo_reads_both(skopeo: str, built: str) -> None:
    """Each has its own numpy, and the layer of six, which is no platform's, is the same."""
    read = {
        one: json.loads(output_of(skopeo, "inspect", "--tls-verify=false", "--override-arch", one, f"docker://{built}"))
        for one in ("amd64", "arm64")
    }

    assert {one: said["Architecture"] for one, said in read.items()} == {"amd64": "amd64", "arm64": "arm64"}
    layers = [set(said["Layers"]) for said in read.values()]
    assert len(layers[0] & layers[1]) == 2  # the environment and six
    assert len(layers[0]) == len(layers[1]) == 4


def test_nothing_is_done_when_it_is_there(imagewright: Run, built: str, registry_place: str) -> None:  # noqa: F811
    """The index is found for both platforms."""
    again = imagewright("build", "app.py", "--registry", registry_place)

    assert again.stdout.strip() == built
    assert "both  unchanged" in again.stderr


@pytest.mark.root
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the image is run on x86-64")
@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_an_engine_runs_its_own(engine: Engine, built: str) -> None:
    """Pulled by the index's digest."""
    said = engine.run(built, "python", "-c", "import numpy, os; print(os.uname().machine, numpy.__version__)")

    assert said == "x86_64 2.0.2\n"


def test_another_machine_runs_its_own(built: str, registry_place: str, tmp_path: Path) -> None:
    """With an empty store only the image of this machine's platform is brought, and found again."""
    fresh = command(tmp_path / "fresh", tmp_path)

    ran = fresh("run", "--container", "--registry", registry_place, "app.py", "main")
    again = fresh("run", "--container", "--registry", registry_place, "app.py", "main")

    assert (ran.returncode, ran.stdout) == (0, f"{platform.machine()} 2.0.2 1.17.0\n"), ran.stderr
    assert again.stdout == ran.stdout
    assert "both  unchanged" in ran.stderr
    here = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()]
    images = json.loads(fresh("--output", "json", "image", "list").stdout)["images"]
    assert [image["platform"] for image in images] == [here]
