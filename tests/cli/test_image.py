"""`imagewright image` and `imagewright cache` on a store with two small images."""

import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagewright.cli.cache import size_on_disk
from imagewright.oci.config import HistoryEntry, ImageConfig, diff_ids_of
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, digest_of
from imagewright.oci.image import assemble
from imagewright.oci.media_types import LAYER_GZIP
from imagewright.oci.platform import Platform
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.store.layout import Layout
from imagewright.testing.images import make_image

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def put_image(store: Layout, tag: str, layers: dict[str, bytes], platform: str = "linux/amd64") -> str:
    """An image of these layers (title to bytes) in the store; its digest."""
    made = []
    for data in layers.values():
        blob = Descriptor(LAYER_GZIP, digest_of(data), len(data))
        store.push(blob, [data])
        made.append(Layer(blob, DiffID(digest_of(data))))
    config = ImageConfig(
        Platform.parse(platform), {"PATH": "/opt/imagewright/bin", "GREETING": "hi"}, ("python",), user="1000"
    )
    image = assemble(config, made, [HistoryEntry(title) for title in layers])
    store.push(image.config_descriptor, [image.config])
    store.push(image.descriptor, [image.manifest])
    store.tag(image.descriptor, tag)
    return image.descriptor.digest


@pytest.fixture
def store(tmp_path: Path) -> Layout:
    """Where ``run`` has its local store."""
    return Layout(tmp_path / "cache" / "store")


def test_an_empty_store_lists_nothing(run: Run) -> None:
    """Neither a folder nor an image has to be there."""
    done = run("image", "list")

    assert (done.returncode, done.stdout) == (0, "")
    assert "no images" in done.stderr
    assert json.loads(run("image", "list", "--output", "json").stdout) == {"images": []}


def test_list_has_a_line_for_each_image(run: Run, store: Layout) -> None:
    """With its name, platform, size, number of layers and digest."""
    digest = put_image(store, "demo:abc", {"numpy 2.3.5": b"n" * 2000, "base": b"b" * 500})
    put_image(store, "ghcr.example.com/acme/other:v1", {"base": b"b" * 500}, "linux/arm64")

    lines = run("image", "list").stdout.splitlines()
    documents = json.loads(run("image", "list", "--output", "json").stdout)["images"]

    assert lines[0].split() == ["demo:abc", "linux/amd64", "2.5", "kB", "2", "layers", digest[7:19]]
    assert lines[1].split()[:2] == ["ghcr.example.com/acme/other:v1", "linux/arm64"]
    assert documents[0] == {"name": "demo:abc", "platform": "linux/amd64", "digest": digest, "size": 2500, "layers": 2}


@pytest.mark.parametrize("name", ["demo", "demo:abc", "{digest}", "{start}", "demo@{digest}"])
def test_inspect_finds_an_image_by_what_a_person_has_at_hand(run: Run, store: Layout, name: str) -> None:
    """Repository, tag, digest or the start of a digest."""
    digest = put_image(store, "demo:abc", {"numpy 2.3.5": b"n" * 2000})
    put_image(store, "demonstration:abc", {"base": b"b"})

    text = run("image", "inspect", name.format(digest=digest, start=digest[:15])).stdout

    assert text.startswith("demo:abc\n")
    assert "  entrypoint   python\n" in text
    assert "GREETING=hi" in text
    assert "numpy 2.3.5" in text


def test_inspect_as_json_holds_the_whole_config(run: Run, store: Layout) -> None:
    """What a program may want to know of an image."""
    put_image(store, "demo:abc", {"numpy 2.3.5": b"n" * 2000})

    document = json.loads(run("image", "inspect", "demo", "--output", "json").stdout)

    platform = document["platforms"]["linux/amd64"]
    assert platform["config"]["config"]["Entrypoint"] == ["python"]
    assert [layer["title"] for layer in platform["layers"]] == ["numpy 2.3.5"]
    assert platform["manifest"]["layers"][0]["size"] == 2000


def test_an_unknown_or_ambiguous_name_is_an_error_that_helps(run: Run, store: Layout) -> None:
    """The nearest name, or the names to choose from."""
    put_image(store, "demo:one", {"base": b"one"})
    put_image(store, "demo:two", {"base": b"two"})

    unknown, ambiguous = run("image", "inspect", "dmo"), run("image", "rm", "demo")

    assert (unknown.returncode, ambiguous.returncode) == (5, 5)
    assert "error[IW521]: there is no image 'dmo' in the local store" in unknown.stderr
    assert "help: did you mean 'demo'?" in unknown.stderr
    assert "demo:one" in ambiguous.stderr
    assert "demo:two" in ambiguous.stderr
    assert len(store.images()) == 2


@pytest.mark.parametrize(("form", "member"), [("oci-archive", "oci-layout"), ("docker-archive", "manifest.json")])
def test_export_writes_one_tar_for_other_tools(run: Run, store: Layout, tmp_path: Path, form: str, member: str) -> None:
    """Whole or not at all, and the same bytes each time."""
    put_image(store, "demo:abc", {"numpy 2.3.5": b"n" * 2000})

    done = run("image", "export", "demo", "one.tar", "--format", form)
    run("image", "export", "demo:abc", "two.tar", "--format", form)

    assert done.returncode == 0, done.stderr
    work = tmp_path / "work"
    assert sorted(path.name for path in work.iterdir()) == ["one.tar", "two.tar"]
    assert (work / "one.tar").read_bytes() == (work / "two.tar").read_bytes()
    with tarfile.open(work / "one.tar") as archive:
        assert member in archive.getnames()


def test_export_to_where_nothing_can_be_written_is_an_error(run: Run, store: Layout) -> None:
    """It names the file and leaves nothing behind."""
    put_image(store, "demo:abc", {"base": b"b"})

    done = run("image", "export", "demo", "absent/one.tar")

    assert done.returncode == 5
    assert "error[IW520]: absent/one.tar cannot be written" in done.stderr


def test_rm_and_prune_give_the_space_back(run: Run, store: Layout) -> None:
    """A removed image's layers go with the next prune, unless another image has them or they are young."""
    put_image(store, "demo:abc", {"own": b"n" * 2000, "shared": b"b" * 500})
    put_image(store, "other:abc", {"shared": b"b" * 500})

    assert run("image", "rm", "demo").stderr == "Removed demo:abc\n"
    assert json.loads(run("cache", "prune", "--output", "json").stdout)["blobs"] == 0

    for path in store.root.rglob("blobs/sha256/*"):
        os.utime(path, (1, 1))
    pruned = json.loads(run("cache", "prune", "--output", "json").stdout)

    assert pruned["blobs"] == 3
    assert [image.name_tag for image in store.images()] == ["other:abc"]
    assert run("image", "inspect", "other").returncode == 0


def test_prune_removes_unpacked_layers_that_no_image_has(run: Run, store: Layout, tmp_path: Path) -> None:
    """Those of an image stay, so that its next container starts at once; a removed image's go, and size says so."""
    kept, gone = (make_image({name: name.encode() * 9000}) for name in ("kept", "gone"))
    rootfs = Rootfs(tmp_path / "cache" / "rootfs")
    for made in (kept, gone):
        store.tag(made.push_to(store), f"demo:{len(store.images())}")
        layers = [layer for layer in made.blobs if layer.media_type == LAYER_GZIP]
        diff_ids = diff_ids_of(json.loads(made.image.config))
        rootfs.prepare(
            [
                StoredLayer(diff_id, layer.media_type, lambda layer=layer: store.fetch(layer))  # type: ignore[misc]
                for layer, diff_id in zip(layers, diff_ids, strict=True)
            ]
        )
    assert json.loads(run("cache", "prune", "--output", "json").stdout)["unpacked_size"] == 0

    run("image", "rm", "demo:1")
    done = run("cache", "prune")

    assert "Removed unpacked layers, 36.0 kB\n" in done.stderr
    assert [path.name for path in rootfs.folder.rglob("kept")] == ["kept"]
    assert list(rootfs.folder.rglob("gone")) == []


def test_prune_downloads_removes_what_can_be_had_again(run: Run, tmp_path: Path) -> None:
    """Files, uv's cache and indexes go; the store and the records stay."""
    for name in ("files", "uv", "index", "layers"):
        (tmp_path / "cache" / name).mkdir(parents=True)
        (tmp_path / "cache" / name / "file").write_bytes(b"x" * 10_000)

    assert run("cache", "prune").returncode == 0
    assert (tmp_path / "cache" / "files" / "file").exists()
    assert run("cache", "prune", "--downloads").returncode == 0

    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["CACHEDIR.TAG", "layers", "store"]


def test_cache_size_counts_a_file_once(run: Run, tmp_path: Path) -> None:
    """Hard links are one file on the disk."""
    files = tmp_path / "cache" / "files"
    files.mkdir(parents=True)
    (files / "one").write_bytes(b"x" * 100_000)
    once = size_on_disk(files)
    (files / "two").hardlink_to(files / "one")

    sizes = json.loads(run("cache", "size", "--output", "json").stdout)

    assert once >= 100_000
    assert sizes["files"] == sizes["total"] == once
    assert run("cache", "size").stdout.splitlines()[-1].startswith("total")


def test_cache_dir_is_printed_alone(run: Run, tmp_path: Path) -> None:
    """So that a script can use it."""
    assert run("cache", "dir").stdout == f"{tmp_path}/cache\n"
    assert run("cache", "dir", "--cache-dir", "/elsewhere").stdout == "/elsewhere\n"
