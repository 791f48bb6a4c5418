"""`imagewright explain A B` and `imagewright image lock` on images in the local store, without a network."""

import base64
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.build.locks import DEBIAN, lock, wheel

from imagewright.build.ingredients import ANNOTATION, annotation
from imagewright.build.lock import Lock, requirements_of
from imagewright.build.lock_file import lock_text
from imagewright.cli.changes_text import changes_text
from imagewright.events import Change
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.digest import hex_of
from imagewright.oci.image import assemble
from imagewright.oci.platform import Platform
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout
from imagewright.testing.images import make_layer
from imagewright.testing.registry import PASSWORD, USERNAME, FakeRegistry

Run = Callable[..., "subprocess.CompletedProcess[str]"]

AMD64 = Platform("linux", "amd64")
SIX, NEWER_SIX = wheel("six", "1.16.0"), wheel("six", "1.17.0")
APP = 'from imagewright import ImageSpec\n\nimage = ImageSpec("demo", packages=["six"], env={"A": "1"})\n'


def put(store: Layout, tag: str, annotations: Mapping[str, str], *files: bytes, **config: object) -> str:
    """An image with a layer for each of these contents; its digest."""
    layers = []
    for data in files:
        layer, stored = make_layer({"file": data})
        store.push(layer.descriptor, [stored])
        layers.append(layer)
    settings = ImageConfig(AMD64, **config)  # type: ignore[arg-type]
    image = assemble(settings, layers, [HistoryEntry("layer")] * len(layers), annotations=annotations)
    store.push(image.config_descriptor, [image.config])
    store.push(image.descriptor, [image.manifest])
    store.tag(image.descriptor, tag)
    return image.descriptor.digest


def carrying(spec: ImageSpec, made: Lock) -> dict[str, str]:
    return {ANNOTATION: annotation(spec, made)}


@pytest.fixture
def store(tmp_path: Path) -> Layout:
    """Where ``run`` has its local store."""
    return Layout(tmp_path / "cache" / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where ``run`` is, with an app and its lock file."""
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(APP)
    spec = ImageSpec("demo", packages=["six"], env={"A": "1"}, directory=folder)
    made = Lock(requirements_of(spec, AMD64), DEBIAN, (NEWER_SIX,))
    file = spec.lock_file(AMD64)
    file.parent.mkdir()
    file.write_text(lock_text(made, spec.content))
    return folder


def test_two_images_are_compared_in_a_few_lines(run: Run, store: Layout) -> None:
    """What was asked for, what it led to, and how much there is to pull; stdout has it, and JSON for programs."""
    before = put(store, "demo:1", carrying(ImageSpec(packages=["six<1.17"]), lock(SIX)), b"base", b"six 1.16")
    after = put(
        store, "demo:2", carrying(ImageSpec(packages=["six"], env={"A": "b c"}), lock(NEWER_SIX)), b"base", b"six 1.17"
    )

    done = run("explain", "demo:1", "demo:2")

    assert done.stdout.splitlines()[:-1] == [
        f"demo:1 ({hex_of(before)[:12]}) -> demo:2 ({hex_of(after)[:12]})",
        "  asked for  packages: six<1.17 -> six",
        "  packages   six 1.16.0 -> 1.17.0",
        "  env        + A=b c",
    ]
    assert done.stdout.splitlines()[-1].startswith("  layers     1 of 2 shared, ")
    document = json.loads(run("explain", "demo:1", "demo:2", "--output", "json").stdout)
    assert document["same"] is False
    assert {"kind": "package", "name": "six", "before": "1.16.0", "after": "1.17.0"} in document["changes"]
    assert (document["layers"]["shared"], document["to"]["digest"]) == (1, after)


def test_an_image_is_the_same_as_itself(run: Run, store: Layout) -> None:
    """And says so."""
    put(store, "demo:1", carrying(ImageSpec(packages=["six"]), lock(SIX)), b"base")

    done = run("explain", "demo:1", "demo:1")

    assert "  the same image\n" in done.stdout
    assert json.loads(run("explain", "demo:1", "demo:1", "--output", "json").stdout)["same"] is True


def test_an_image_is_compared_with_what_would_be_built_now(run: Run, store: Layout, folder: Path) -> None:
    """The spec of the image's name is meant where a file has several; nothing is built."""
    put(store, "demo:1", carrying(ImageSpec("demo", packages=["six"], env={"A": "2"}), lock(SIX)), b"base")
    (folder / "app.py").write_text(APP + 'other = ImageSpec("other")\n')

    done = run("explain", "demo:1", "app.py")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["  packages   six 1.16.0 -> 1.17.0", "  env        A=2 -> 1"]
    ambiguous = run("explain", "demo:1", "app.py:third")
    assert ambiguous.returncode == 2
    assert "app.py:demo" in ambiguous.stderr


def test_a_lock_file_is_compared_with_an_image(run: Run, store: Layout, folder: Path) -> None:
    """In what a lock file speaks of."""
    put(store, "demo:1", carrying(ImageSpec("demo", packages=["six"], env={"A": "2"}), lock(SIX)), b"base")

    done = run("explain", "imagewright.lock/demo-linux-amd64.pylock.toml", "demo:1")

    assert done.stdout.splitlines()[1:] == ["  packages   six 1.17.0 -> 1.16.0"]


def test_images_of_others_are_compared_by_their_config(run: Run, store: Layout) -> None:
    """They carry no lock, and still differ in something that can be read."""
    put(store, "theirs:1", {}, b"a", env={"PATH": "/bin"}, user="root")
    put(store, "theirs:2", {}, b"a", b"b", env={"PATH": "/usr/bin"}, user="1000")

    done = run("explain", "theirs:1", "theirs:2")

    assert done.stdout.splitlines()[1:3] == ["  env        PATH=/bin -> /usr/bin", "  settings   user=root -> 1000"]
    assert "1 of 2 shared" in done.stdout


def test_what_cannot_be_compared_says_why(run: Run, store: Layout, folder: Path) -> None:
    """An image without a lock beside a file, an image that is not there, a file that is no lock."""
    put(store, "theirs:1", {}, b"a")
    (folder / "other.toml").write_text("[project]\n")

    bare = run("explain", "theirs:1", "app.py:demo")
    assert (bare.returncode, bare.stdout) == (3, "")
    assert "error[IW209]: the image theirs:1 carries no lock" in bare.stderr
    assert "error[IW521]: there is no image 'nowhere' in the local store" in run("explain", "nowhere", "app.py").stderr
    assert "error[IW209]: other.toml is not a lock of imagewright's" in run("explain", "other.toml", "theirs:1").stderr
    assert "imagewright explain theirs:1 app.py" in run("explain", "theirs:1").stderr
    assert "imagewright explain IMAGE app.py" in run("explain", "app.py").stderr


def test_the_lock_of_an_image_comes_back(run: Run, store: Layout, folder: Path) -> None:
    """On stdout or in a file, which is never written over; from a registry with one manifest and one config."""
    spec = ImageSpec("demo", packages=["six"])
    put(store, "demo:1", carrying(spec, lock(SIX)), b"base")

    shown = run("image", "lock", "demo:1")
    inspected = run("image", "inspect", "demo:1").stdout

    assert shown.stdout == lock_text(lock(SIX), spec.content).rstrip() + "\n"
    assert "dev.imagewright.lock=(" in inspected
    assert " B: imagewright image lock demo:1)" in inspected
    assert run("image", "lock", "demo:1", "new.toml").returncode == 0
    assert (folder / "new.toml").read_text() == lock_text(lock(SIX), spec.content)
    again = run("image", "lock", "demo:1", "new.toml")
    assert again.returncode == 5
    assert "new.toml is there already" in again.stderr
    assert run("image", "lock", "demo:1", "deeper/new.toml").returncode == 0


def test_an_image_of_a_registry_is_read_there(run: Run, store: Layout, folder: Path) -> None:
    """By two documents: no layer is fetched."""
    spec = ImageSpec("demo", packages=["six"])
    descriptor = put(store, "demo:1", carrying(spec, lock(SIX)), b"base")
    (stored,) = store.images()
    manifest = b"".join(store.fetch(stored.descriptor))
    config = json.loads(manifest)["config"]
    registry = FakeRegistry()
    registry.manifests["v1"] = registry.manifests[descriptor] = (stored.descriptor.media_type, manifest)
    blob = next(
        one for one in (folder.parent / "cache/store/blobs/sha256").iterdir() if hex_of(config["digest"]) == one.name
    )
    registry.blobs[config["digest"]] = blob.read_bytes()

    with registry.serve() as place:
        done = run("explain", f"{place}/acme/demo:v1", "app.py")
        missing = run("image", "lock", f"{place}/acme/demo:v2")

    assert "  packages   six 1.16.0 -> 1.17.0" in done.stdout, done.stderr
    assert {path.rpartition("/")[2] for _, path in registry.requests if "/blobs/" in path} == {config["digest"]}
    assert f"there is no image {place}/acme/demo:v2" in missing.stderr


def test_the_logins_of_a_spec_are_for_both_sides(run: Run, store: Layout, folder: Path) -> None:
    """registry_config is read as for a build: here by the spec's file, for the image that it is compared with."""
    descriptor = put(store, "demo:1", carrying(ImageSpec("demo", packages=["six"]), lock(SIX)), b"base")
    registry = FakeRegistry(auth="basic")
    for blob in (folder.parent / "cache/store/blobs/sha256").iterdir():
        registry.blobs[f"sha256:{blob.name}"] = blob.read_bytes()
    (stored,) = store.images()
    manifest = stored.descriptor.media_type, registry.blobs[descriptor]
    registry.manifests["v1"] = registry.manifests[descriptor] = manifest

    with registry.serve() as place:
        refused = run("explain", f"{place}/acme/demo:v1", "app.py")
        login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        (folder / "logins.json").write_text(json.dumps({"auths": {place: {"auth": login}}}))
        (folder / "app.py").write_text(APP.replace('"demo", ', '"demo", registry_config="logins.json", '))
        done = run("explain", f"{place}/acme/demo:v1", "app.py")
        (folder / "logins.json").unlink()
        missing = run("explain", f"{place}/acme/demo:v1", "app.py")

    assert refused.returncode == 4
    assert "  packages   six 1.16.0 -> 1.17.0" in done.stdout, done.stderr
    assert "error[IW102]: registry_config='logins.json' cannot be read" in missing.stderr


def test_a_lock_file_that_does_not_fit_says_what_changed(run: Run, folder: Path) -> None:
    """And the command; nothing is built, and nothing is written."""
    file = folder / "imagewright.lock" / "demo-linux-amd64.pylock.toml"
    before = file.read_bytes()
    (folder / "app.py").write_text(APP.replace('["six"]', '["six<2", "idna"]'))

    for command in (["build"], ["build", "--locked"], ["lock", "--locked"], ["build", "--dry-run", "--locked"]):
        done = run(*command, "app.py")
        assert done.returncode == 3, done.stderr
        assert (
            "error[IW209]: the lock file demo-linux-amd64.pylock.toml is not of what image 'demo' asks" in done.stderr
        )
        assert "  packages: + idna\n  packages: six -> six<2\n  help: imagewright lock app.py\n" in done.stderr
    assert file.read_bytes() == before


def test_locked_wants_a_lock_file_and_upgrade_none(run: Run, folder: Path) -> None:
    """Each says what to type instead."""
    upgraded = run("build", "--upgrade", "app.py")
    both = run("build", "--upgrade", "--locked", "app.py")
    assert run("lock", "--locked", "app.py").returncode == 0
    (folder / "imagewright.lock" / "demo-linux-amd64.pylock.toml").unlink()
    none = run("build", "--locked", "app.py")

    assert "error[IW209]: --upgrade: image 'demo' has a lock file, which no build changes" in upgraded.stderr
    assert "help: imagewright lock --upgrade app.py" in upgraded.stderr
    assert both.returncode == 2
    assert "error[IW209]: --locked: image 'demo' has no lock file for linux/amd64" in none.stderr
    assert "help: imagewright lock app.py" in none.stderr


def test_many_changes_are_counted_and_shown_whole_on_request() -> None:
    """A line for each kind: changes before what came and went, and never wider than the screen."""
    changes = [
        *(Change("package", f"changed-{number}", "1.0", "2.0") for number in range(30)),
        *(Change("package", f"new-{number}", "", "1.0") for number in range(3)),
        *(Change("asked", "packages", "", f"new-{number}") for number in range(5)),
        Change("asked", "python", "3.11", "3.12"),
        Change("command", "", "", "echo\n" + "x" * 200),
    ]

    lines = changes_text(changes, 100)

    assert lines[0] == "asked for  packages: 5 added: + new-0, + new-1, + new-2, + new-3, + new-4"
    assert lines[1] == "           python: 3.11 -> 3.12"
    assert lines[2].startswith("packages   30 changed, 3 added: changed-0 1.0 -> 2.0, changed-1 1.0 -> 2.0, ")
    assert lines[2].endswith(" more")
    assert lines[3].startswith("commands   + echo xxx")
    assert len(lines) == 4
    assert max(map(len, lines[:3])) <= 100
    assert len(changes_text(changes, 100, whole=True)) == len(changes)
