"""The local store: what it is on disk, and what it survives."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagewright.errors import IntegrityError, StoreError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of, hex_of
from imagewright.store.layout import Layout, StoredImage, Usage
from imagewright.testing.images import make_image

OCTETS = "application/octet-stream"


def blob_of(data: bytes) -> Descriptor:
    return Descriptor(OCTETS, digest_of(data), len(data))


def whole(root: Path) -> None:
    """Fail unless every file under a final name has the bytes that its name says, and every tag leads to an image."""
    for path in (root / "blobs" / "sha256").glob("*"):
        assert hex_of(digest_of(path.read_bytes())) == path.name
    layout = Layout(root)
    for stored in layout.images():
        manifest = json.loads(b"".join(layout.fetch(stored.descriptor)))
        for part in (manifest["config"], *manifest["layers"]):
            b"".join(layout.fetch(Descriptor.from_json(part)))


def test_the_folder_is_an_image_layout(tmp_path: Path) -> None:
    """oci-layout, index.json and blobs are as the image spec writes them, with the tag as the reference name."""
    layout, made = Layout(tmp_path), make_image()

    layout.tag(made.push_to(layout), "demo:latest")

    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((tmp_path / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    assert index["manifests"] == [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": made.image.descriptor.digest,
            "size": made.image.descriptor.size,
            "annotations": {"org.opencontainers.image.ref.name": "demo:latest"},
            "platform": {"architecture": "amd64", "os": "linux"},
        }
    ]
    names = {path.name for path in (tmp_path / "blobs" / "sha256").iterdir()}
    assert names == {hex_of(descriptor.digest) for descriptor in made.blobs}
    whole(tmp_path)


def test_an_ingest_names_the_blob_when_it_is_whole(tmp_path: Path) -> None:
    """Small and large writes make one blob, whose digest is known at the end."""
    layout = Layout(tmp_path)
    pieces = [b"a", b"b" * 300_000, b"", b"c" * 10, b"d" * 600_000, b"e"]

    with layout.ingest() as ingest:
        for piece in pieces:
            ingest.write(memoryview(piece))
        assert list((tmp_path / "blobs" / "sha256").iterdir()) == []
        blob = ingest.commit(OCTETS, annotations={"title": "letters"})

    assert blob == blob_of(b"".join(pieces))
    assert blob.annotations == {"title": "letters"}
    assert b"".join(layout.fetch(blob)) == b"".join(pieces)


def test_an_ingest_without_a_commit_leaves_nothing(tmp_path: Path) -> None:
    """A body that ends early, for whatever reason, leaves no file."""
    layout = Layout(tmp_path)

    with layout.ingest() as ingest:
        ingest.write(b"x" * 1_000_000)

    assert layout.usage() == Usage(0, 0)
    assert list((tmp_path / ".ingest").iterdir()) == []


def test_a_damaged_blob_is_found_and_can_be_written_again(tmp_path: Path) -> None:
    """A flipped byte is an error for its reader and moves the blob away; the next push heals the store."""
    layout = Layout(tmp_path)
    blob = blob_of(b"hello")
    layout.push(blob, [b"hello"])
    layout.path(blob).write_bytes(b"jello")

    with pytest.raises(IntegrityError, match="has other bytes than its digest says"):
        b"".join(layout.fetch(blob))

    assert not layout.exists(blob)
    layout.push(blob, [b"hello"])
    assert b"".join(layout.fetch(blob)) == b"hello"


def test_a_cut_blob_does_not_exist(tmp_path: Path) -> None:
    """A file that lost its end, as after a power cut, is written again without being asked for."""
    layout = Layout(tmp_path)
    blob = blob_of(b"hello")
    layout.push(blob, [b"hello"])
    layout.path(blob).write_bytes(b"hel")

    assert not layout.exists(blob)
    layout.push(blob, [b"hello"])

    assert b"".join(layout.fetch(blob)) == b"hello"


@pytest.mark.parametrize("damage", ["gone", "cut"])
@pytest.mark.parametrize("part", range(3))
def test_an_image_that_lacks_a_part_is_not_there(tmp_path: Path, part: int, damage: str) -> None:
    """So that the next build makes it whole; it is listed still, and a sound one is left alone."""
    layout, made = Layout(tmp_path), make_image()
    layout.tag(made.push_to(layout), "a:1")
    layout.tag(make_image({"b": b"other"}).push_to(layout), "b:1")
    path = layout.path(list(made.blobs)[part])
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:-1])

    assert layout.resolve("a:1") is None
    assert layout.resolve("b:1") is not None
    assert [image.name_tag for image in layout.images()] == ["a:1", "b:1"]
    layout.tag(made.push_to(layout), "a:1")
    assert layout.resolve("a:1") == made.image.descriptor


def test_a_lying_descriptor_does_not_cost_a_sound_blob(tmp_path: Path) -> None:
    """A wrong size is an error for who asks, and the blob stays for everybody else."""
    layout = Layout(tmp_path)
    blob = blob_of(b"hello")
    layout.push(blob, [b"hello"])

    with pytest.raises(IntegrityError):
        b"".join(layout.fetch(Descriptor(OCTETS, blob.digest, 4)))

    assert b"".join(layout.fetch(blob)) == b"hello"


def test_images_are_listed_and_forgotten_by_tag(tmp_path: Path) -> None:
    """Tags come sorted; untag forgets one."""
    layout, made = Layout(tmp_path), make_image()
    assert layout.images() == []

    descriptor = made.push_to(layout)
    for tag in ("b:2", "a:1"):
        layout.tag(descriptor, tag)

    assert layout.images() == [StoredImage("a:1", descriptor), StoredImage("b:2", descriptor)]
    assert layout.untag("a:1")
    assert not layout.untag("a:1")
    assert [image.name_tag for image in layout.images()] == ["b:2"]


def test_a_tag_that_is_right_already_is_not_written(tmp_path: Path) -> None:
    """Saying the same again does not touch index.json."""
    layout, made = Layout(tmp_path), make_image()
    layout.tag(made.push_to(layout), "a:1")
    before = (tmp_path / "index.json").stat()

    layout.tag(made.image.descriptor, "a:1")

    assert (tmp_path / "index.json").stat().st_ino == before.st_ino


def test_prune_keeps_what_tags_reach_and_what_is_young(tmp_path: Path) -> None:
    """What no tag leads to goes when nobody asked for it within the hour; leftovers of killed processes go as well."""
    now = time.time()
    layout = Layout(tmp_path, clock=lambda: now)
    kept, dropped = make_image({"a": b"kept"}), make_image({"a": b"dropped"})
    layout.tag(kept.push_to(layout), "kept:1")
    dropped.push_to(layout)
    (tmp_path / ".ingest" / "1-leftover").write_bytes(b"half")
    assert layout.prune() == Usage(0, 0)

    now += 3601
    asked_for = dropped.image.config_descriptor
    assert layout.exists(asked_for)
    thrown = layout.prune()

    assert thrown.blobs == 3
    assert layout.exists(asked_for)
    assert not layout.exists(dropped.image.descriptor)
    assert list((tmp_path / ".ingest").iterdir()) == []
    whole(tmp_path)
    assert [image.name_tag for image in layout.images()] == ["kept:1"]


def test_prune_leaves_a_store_alone_that_a_build_has_leased(tmp_path: Path) -> None:
    """With a lease held, by whatever process, prune does nothing and says why; two builds may hold one each."""
    layout = Layout(tmp_path)

    with layout.lease(), Layout(tmp_path).lease(), pytest.raises(StoreError, match="is in use by a build"):
        Layout(tmp_path).prune()

    assert layout.prune() == Usage(0, 0)


def test_an_index_that_cannot_be_read_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    """Garbage in index.json is never taken for an empty store."""
    layout = Layout(tmp_path)
    layout.tag(make_image().push_to(layout), "a:1")
    (tmp_path / "index.json").write_bytes(b'{"manifests": [')

    with pytest.raises(StoreError, match="list of images cannot be read") as caught:
        layout.resolve("a:1")

    assert caught.value.fix[0].startswith(f"rm {tmp_path}/index.json")


_WORK = """
import sys
from pathlib import Path
from imagewright.store.layout import Layout
from imagewright.testing.images import make_image
layout = Layout(Path(sys.argv[1]))
"""

_TAG_MANY = (
    _WORK
    + """
for number in range(int(sys.argv[2])):
    layout.tag(make_image({"shared": b"s"}, {"file": f"{sys.argv[3]}-{number}".encode()}).push_to(layout), f"{sys.argv[3]}:{number}")
"""
)

# Every step on files is announced to audit hooks before it is done: the process dies in front of step N.
_KILLED = (
    _WORK
    + """
import os, signal
steps = int(sys.argv[2])
def hook(event, arguments):
    global steps
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.utime", "os.scandir", "fcntl.flock"):
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
def slowly(data):
    for start in range(0, len(data), 300_000):
        hook("os.utime", ())
        yield data[start : start + 300_000]
made = make_image({"a": os.urandom(700_000)}, {"b": b"b"})
sys.addaudithook(hook)
for descriptor, data in made.blobs.items():
    layout.push(descriptor, slowly(data))
layout.tag(made.image.descriptor, "new:1")
"""
)


def test_processes_share_a_store(tmp_path: Path) -> None:
    """Four processes that write the same and different images at once lose no tag and damage no blob."""
    running = [
        subprocess.Popen([sys.executable, "-c", _TAG_MANY, str(tmp_path), "6", name], stderr=subprocess.PIPE)
        for name in ("a", "b", "c", "d")
    ]

    said = [process.communicate(timeout=120)[1] for process in running]

    assert [process.returncode for process in running] == [0] * 4, said
    assert len(Layout(tmp_path).images()) == 24
    whole(tmp_path)


def test_a_killed_process_leaves_a_store_that_can_be_read(tmp_path: Path) -> None:
    """SIGKILL before each step of writing and tagging an image: no partial blob, no dangling tag, and the old ones stay."""
    layout = Layout(tmp_path)
    layout.tag(make_image({"old": b"old"}).push_to(layout), "old:1")
    ended, steps = -9, 0

    while ended == -9:
        ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), str(steps)], timeout=60).returncode
        whole(tmp_path)
        names = [image.name_tag for image in layout.images()]
        assert names == (["old:1"] if ended == -9 and "new:1" not in names else ["new:1", "old:1"])
        steps += 1

    assert ended == 0
    assert steps > 15


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_store_that_may_not_be_written(tmp_path: Path) -> None:
    """It can be read, and writing says which folder to name instead."""
    layout, made = Layout(tmp_path / "store"), make_image()
    layout.tag(made.push_to(layout), "a:1")
    new = blob_of(b"new")
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    (tmp_path / "store" / ".ingest").chmod(0o555)

    with as_nobody():
        assert layout.resolve("a:1") == made.image.descriptor
        assert b"".join(layout.fetch(made.image.descriptor)) == made.image.manifest
        with pytest.raises(StoreError, match="cannot write the local store in") as caught:
            layout.push(new, [b"new"])

    assert caught.value.why[0].startswith("Permission denied")
    assert caught.value.fix == ("IMAGEWRIGHT_CACHE_DIR=/a/folder/that/is/yours",)


@pytest.mark.root
def test_a_full_disk(tmp_path: Path) -> None:
    """Without space the unfinished file goes, what was there stays, and the error says how much is free."""
    mount = tmp_path / "small"
    mount.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)], capture_output=True, timeout=30
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    try:
        layout, made = Layout(mount / "store"), make_image()
        layout.tag(made.push_to(layout), "a:1")
        large = os.urandom(3_000_000)

        with pytest.raises(StoreError, match="no space is left") as caught:
            layout.push(blob_of(large), [large])

        assert caught.value.code == "IW522"
        assert caught.value.why[0].startswith("No space left on device: ")
        assert list((mount / "store" / ".ingest").iterdir()) == []
        whole(mount / "store")
        layout.tag(make_image({"b": b"small"}).push_to(layout), "b:1")
    finally:
        subprocess.run(["umount", str(mount)], check=True, timeout=30)


def test_a_tag_of_what_a_registry_has_counts_only_while_all_of_it_is_here(tmp_path: Path) -> None:
    """Nothing waits for the disk for it; what a power cut takes away makes the image one that is not here."""
    layout, made = Layout(tmp_path), make_image()
    manifest = made.push_to(layout)

    layout.tag(manifest, "localhost:30000/demo:v1", durable=False)

    assert layout.resolve("localhost:30000/demo:v1") == manifest
    layer = Descriptor.from_json(json.loads(b"".join(layout.fetch(manifest)))["layers"][0])
    layout.path(layer).unlink()
    assert Layout(tmp_path).resolve("localhost:30000/demo:v1") is None
