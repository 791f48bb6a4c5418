"""docker and podman run what was pushed to Debian's docker-registry, and load the docker archive."""

import json
import platform
from pathlib import Path

import pytest

from imagewright.oci.config import ImageConfig
from imagewright.oci.platform import Platform
from imagewright.store.archive import export_docker_archive
from imagewright.store.copy import copy_image
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.repository import Repository
from imagewright.testing.engines import Engine
from imagewright.testing.images import MadeImage, make_image
from imagewright.testing.programs import printing_program
from imagewright.transport import Transport

pytestmark = [
    pytest.mark.tool,
    pytest.mark.root,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the test's program is for x86-64"),
]

TEXT = "hello from inside\n"


@pytest.fixture
def made() -> MadeImage:
    """An image of three layers with a program; each layer's gzip has two members."""
    return make_image(
        {"etc/passwd": b"root:x:0:0::/:/bin/hello\n"},
        {"bin/hello": printing_program(TEXT.encode())},
        {"etc/motd": b"x" * 100_000},
        config=ImageConfig(Platform("linux", "amd64"), entrypoint=("/bin/hello",)),
    )


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_an_image_that_was_pushed_runs(engine: Engine, made: MadeImage, registry_place: str, tmp_path: Path) -> None:
    """Pulled by its digest from the registry, it starts and prints."""
    layout = Layout(tmp_path)
    descriptor = made.push_to(layout)
    with Transport() as transport:
        copy_image(layout, Repository(registry_place, "acme/hello", transport), descriptor, tag="latest")

    assert engine.run(f"{registry_place}/acme/hello@{descriptor.digest}") == TEXT


def test_an_image_of_a_hundred_layers_runs(docker: Engine, registry_place: str) -> None:
    """docker's overlay driver, whose limit is the lowest there is, takes as many layers as a budget may allow."""
    layers = [{f"srv/{number}": b"x"} for number in range(99)]
    config = ImageConfig(Platform("linux", "amd64"), entrypoint=("/bin/hello",))
    made, source = make_image(*layers, {"bin/hello": printing_program(TEXT.encode())}, config=config), MemoryStore()
    with Transport() as transport:
        repository = Repository(registry_place, "acme/hundred", transport)
        copy_image(source, repository, made.push_to(source), tag="latest")

    assert docker.run(f"{registry_place}/acme/hundred:latest") == TEXT


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_a_docker_archive_is_loaded(engine: Engine, made: MadeImage, tmp_path: Path) -> None:
    """``load`` takes the archive, calls it by its name, and it runs."""
    layout, archive = Layout(tmp_path / "store"), tmp_path / "image.tar"
    with archive.open("wb") as out:
        export_docker_archive(layout, made.push_to(layout), out, name="localhost/loaded:1")

    said = engine.call("load", "--input", str(archive))

    assert "localhost/loaded:1" in said
    assert engine.run("localhost/loaded:1") == TEXT


@pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)
def test_an_engine_reads_what_the_image_says(engine: Engine, tmp_path: Path) -> None:
    """Its history has a line for each layer; values of env with quotes and new lines, user and labels arrive whole."""
    env = {"PATH": "/bin", "ODD": 'it\'s "so"\n$HOME `x` \\ ü', "EMPTY": ""}
    config = ImageConfig(
        Platform("linux", "amd64"),
        env=env,
        entrypoint=("/bin/hello",),
        workdir="/srv/app",
        user="1000:1000",
        labels={"org.opencontainers.image.title": "it's so"},
    )
    made, archive = make_image({"bin/hello": b"#!"}, {"etc/motd": b"x"}, config=config), tmp_path / "image.tar"
    with archive.open("wb") as out:
        export_docker_archive(store := MemoryStore(), made.push_to(store), out, name="localhost/said:1")
    engine.call("load", "--input", str(archive))

    read = json.loads(engine.call("inspect", "--format", "{{json .Config}}", "localhost/said:1"))
    lines = engine.call("history", "--no-trunc", "--format", "{{.CreatedBy}}", "localhost/said:1").splitlines()

    assert dict(pair.split("=", 1) for pair in read["Env"]) == env
    assert (read["User"], read["WorkingDir"], read["Entrypoint"]) == ("1000:1000", "/srv/app", ["/bin/hello"])
    assert read["Labels"] == {"org.opencontainers.image.title": "it's so"}
    assert lines == ["layer 1", "layer 0"]
