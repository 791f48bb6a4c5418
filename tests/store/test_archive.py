"""Images as tar files."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from imagewright.errors import StoreError
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import canonical_json, digest_of
from imagewright.store.archive import export_docker_archive, export_oci_archive
from imagewright.store.layout import Layout
from imagewright.store.memory import MemoryStore
from imagewright.testing.images import make_image


def test_an_oci_archive_is_an_image_layout(tmp_path: Path) -> None:
    """Unpacked, it is a store that has the image under its name."""
    made, source, out = make_image({"a": b"1"}, {"b": b"2"}), MemoryStore(), io.BytesIO()
    made.push_to(source)

    export_oci_archive(source, made.image.descriptor, out, name="demo:1")

    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has none
        tar.extractall(tmp_path)
    layout = Layout(tmp_path)
    assert layout.resolve("demo:1") == made.image.descriptor
    for blob, data in made.blobs.items():
        assert b"".join(layout.fetch(blob)) == data


def test_archives_are_deterministic() -> None:
    """The same image from another store, in another order, gives the same bytes, and no clock gets in."""
    made = make_image({"a": b"1"}, {"b": b"2"}, {"a": b"1"})
    archives = []
    *parts, manifest = made.blobs
    for order in ((*parts, manifest), (*reversed(parts), manifest)):
        source, out = MemoryStore(), io.BytesIO()
        for blob in order:
            source.push(blob, [made.blobs[blob]])
        export_docker_archive(source, made.image.descriptor, out, name="demo:1")
        archives.append(out.getvalue())

    assert archives[0] == archives[1]
    with tarfile.open(fileobj=io.BytesIO(archives[0])) as tar:
        assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}


def test_a_docker_archive_says_what_docker_asks_for() -> None:
    """manifest.json names the config, the tag, and every layer in order, and all of them are in the tar."""
    made, source, out = make_image({"a": b"1"}, {"b": b"2"}), MemoryStore(), io.BytesIO()
    made.push_to(source)

    export_docker_archive(source, made.image.descriptor, out, name="demo:1")

    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        [entry] = json.load(member)
        assert entry["RepoTags"] == ["demo:1"]
        stored = [tar.extractfile(name) for name in (entry["Config"], *entry["Layers"])]
        digests = [digest_of(file.read()) for file in stored if file is not None]
    assert digests == [made.image.config_descriptor.digest, *(layer.digest for layer in made.image.layers)]


def test_a_docker_archive_holds_one_platform() -> None:
    """An index is refused with a way out."""
    source = MemoryStore()
    data = canonical_json({"schemaVersion": 2, "manifests": []})
    index = Descriptor(media_types.IMAGE_INDEX, digest_of(data), len(data))
    source.push(index, [data])

    with pytest.raises(StoreError, match="holds several platforms"):
        export_docker_archive(source, index, io.BytesIO(), name="demo:1")
