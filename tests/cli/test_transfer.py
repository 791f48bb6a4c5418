"""`imagewright push`, `pull`, `copy`, `image inspect` and `image check` with registries, as a person runs them."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagewright.oci import media_types
from imagewright.oci.config import ImageConfig
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.index import Index
from imagewright.oci.platform import Platform
from imagewright.store.copy import copy_image
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.repository import Repository
from imagewright.testing.images import MadeImage, make_image
from imagewright.testing.registry import FakeRegistry, Fault
from imagewright.transport import Transport

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    registry = FakeRegistry(separate=True, mounts="yes")
    with registry.serve():
        yield registry


@pytest.fixture
def made(tmp_path: Path) -> MadeImage:
    """An image that the local store has as demo:v1."""
    made, layout = make_image({"a": b"1" * 2000}), Layout(tmp_path / "cache" / "store")
    layout.tag(made.push_to(layout), "demo:v1")
    return made


def put_index(registry: FakeRegistry, name: str) -> tuple[Descriptor, dict[str, Descriptor]]:
    """An image for amd64 and arm64 in the registry as NAME:all."""
    source, entries = MemoryStore(), {}
    for architecture in ("amd64", "arm64"):
        image = make_image({"a": architecture.encode()}, config=ImageConfig(Platform("linux", architecture)))
        entries[architecture] = image.push_to(source)
    data = Index(tuple(entries.values())).to_bytes()
    index = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
    source.push(index, [data])
    with Transport() as transport:
        copy_image(source, Repository(registry.place, name, transport), index, tag="all")
    return index, entries


def test_what_was_pushed_is_pulled_again(run: Run, registry: FakeRegistry, made: MadeImage) -> None:
    """By its name; the reference with the digest is all that goes to stdout."""
    place, digest = registry.place, made.image.descriptor.digest

    pushed = run("push", "demo", f"{place}/acme/demo:v1")
    again = run("push", "demo", f"{place}/acme/demo:v2")
    pulled = run("pull", f"{place}/acme/demo:v1", IMAGEWRIGHT_CACHE_DIR="c2")

    assert (pushed.returncode, pushed.stdout) == (0, f"{place}/acme/demo@{digest}\n")
    assert "Pushed demo:v1 to" in pushed.stderr
    assert "2 of 2 blobs sent" in pushed.stderr
    assert "0 of 2 blobs sent, 0 B" in again.stderr
    assert (pulled.returncode, pulled.stdout) == (0, f"{place}/acme/demo@{digest}\n")
    assert "2 of 2 blobs fetched" in pulled.stderr
    assert f"{place}/acme/demo:v1" in run("image", "list", IMAGEWRIGHT_CACHE_DIR="c2").stdout


def test_a_push_that_does_not_say_where_to(run: Run, made: MadeImage) -> None:
    """The error has the whole command."""
    done = run("push", "demo")

    assert done.returncode == 2
    assert "help: imagewright push demo:v1 localhost:30000/demo:v1" in done.stderr


def test_a_copy_within_a_registry_sends_nothing(run: Run, registry: FakeRegistry, made: MadeImage) -> None:
    """Its layers are mounted; between registries they are sent; the digest stays."""
    run("push", "demo", f"{registry.place}/acme/demo:v1")
    document = json.loads(
        run("copy", f"{registry.place}/acme/demo:v1", f"{registry.place}/acme/copied:v1", "--output", "json").stdout
    )
    other = FakeRegistry(separate=True)
    with other.serve() as place:
        away = run("copy", f"{registry.place}/acme/demo:v1", f"{place}/far/demo:v1")

    assert (document["moved"], document["mounted"]) == (0, 2)
    assert "2 of 2 blobs sent" in away.stderr
    assert other.manifest("far/demo", "v1") == registry.manifest("acme/copied", "v1")


def test_an_index_is_copied_whole_and_pulled_in_part(run: Run, registry: FakeRegistry) -> None:
    """A copy has every platform; a pull the one of this machine, or the one that is named, or all."""
    index, entries = put_index(registry, "acme/multi")
    source = f"{registry.place}/acme/multi:all"

    copied = run("copy", source, f"{registry.place}/acme/again:all").stdout
    arm = run("pull", source, "--platform", "linux/arm64").stdout
    whole = run("pull", source, "--platform", "all").stdout
    absent = run("pull", source, "--platform", "linux/s390x")

    assert copied.strip().endswith(index.digest)
    assert arm.strip().endswith(entries["arm64"].digest)
    assert whole.strip().endswith(index.digest)
    assert absent.returncode == 5
    assert "it is for linux/amd64, linux/arm64" in absent.stderr


def test_inspect_reads_no_layer_of_a_remote_image(run: Run, registry: FakeRegistry, made: MadeImage) -> None:
    """Its manifest and config are enough."""
    run("push", "demo", f"{registry.place}/acme/demo:v1")
    registry.requests.clear()

    shown = run("image", "inspect", f"{registry.place}/acme/demo:v1")

    assert shown.stdout.startswith(f"{registry.place}/acme/demo:v1\n  digest       {made.image.descriptor.digest}")
    assert [method for method, _ in registry.requests] == ["HEAD", "GET", "GET"]
    gone = run("image", "inspect", f"{registry.place}/acme/none:v1")
    assert (gone.returncode, "there is no image" in gone.stderr) == (5, True)
    near, far = (run("pull", f"{registry.place}/acme/demo:{tag}").stderr for tag in ("v11", "nothing-like-it"))
    assert f"did you mean {registry.place}/acme/demo:v1?" in near
    assert "its tags are v1" in far


def test_check_says_yes_no_or_why_it_cannot_tell(run: Run, registry: FakeRegistry, made: MadeImage) -> None:
    """Each with an exit code of its own; a blob that the registry has lost is a no."""
    reference = f"{registry.place}/acme/demo:v1"
    run("push", "demo", reference)

    yes = run("image", "check", reference)
    other = run("image", "check", reference, "--platform", "linux/arm64")
    no = run("image", "check", f"{registry.place}/acme/demo:v2", "--output", "json")
    registry.fault = lambda method, path: Fault(503)
    unknown = run("image", "check", reference)
    registry.fault = lambda method, path: None
    registry.links.discard(("acme/demo", made.image.layers[0].digest))
    lost = run("image", "check", reference)

    assert (yes.returncode, yes.stdout.split()[0]) == (0, "yes")
    assert (other.returncode, "it is for linux/amd64, not for linux/arm64" in other.stdout) == (1, True)
    assert (no.returncode, json.loads(no.stdout)["exists"]) == (1, False)
    assert (unknown.returncode, unknown.stdout, "cannot tell" in unknown.stderr) == (5, "", True)
    assert (lost.returncode, "has lost 1 of its parts" in lost.stdout) == (1, True)


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_check_asks_as_a_stranger(run: Run, auth: str, made: MadeImage) -> None:
    """What this machine's login may pull says nothing of a cluster: without a login a closed registry is not a yes."""
    registry = FakeRegistry(auth=auth)
    with registry.serve() as place:
        logins = json.dumps({"auths": {place: {"username": "alice", "password": "wonderland"}}})
        run("push", "demo", f"{place}/acme/demo:v1", DOCKER_AUTH_CONFIG=logins)
        mine = run("image", "check", f"{place}/acme/demo:v1", DOCKER_AUTH_CONFIG=logins)
        strangers = run("image", "check", f"{place}/acme/demo:v1", "--anonymous", DOCKER_AUTH_CONFIG=logins)

    assert mine.returncode == 0
    assert strangers.returncode == 4
    assert "does not let a stranger pull acme/demo" in strangers.stderr
    assert "kubectl create secret docker-registry" in strangers.stderr
    assert "wonderland" not in strangers.stderr + mine.stderr


def test_an_image_that_nobody_can_ask_for_is_assumed_only_on_demand(run: Run, tmp_path: Path) -> None:
    """Without --assume-exists a registry that is down stops the build; with it the tag is the answer."""
    file = tmp_path / "work" / "app.py"
    file.write_text("from imagewright import ImageSpec\nimage = ImageSpec(name='demo', registry='127.0.0.1:1')\n")

    stopped, assumed = run("build", "app.py"), run("build", "app.py", "--assume-exists")

    assert (stopped.returncode, stopped.stdout) == (5, "")
    assert assumed.returncode == 0
    assert assumed.stdout.startswith("127.0.0.1:1/demo:")
    assert "taken to be there, as --assume-exists says" in assumed.stderr
