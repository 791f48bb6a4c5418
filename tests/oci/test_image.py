import json

import pytest

from imagewright.oci import media_types
from imagewright.oci.config import HistoryEntry, ImageConfig, diff_ids_of
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, digest_of
from imagewright.oci.image import assemble
from imagewright.oci.manifest import MAX_BYTES, Manifest
from imagewright.oci.platform import Platform

AMD64 = Platform("linux", "amd64")
LAYER = Layer(Descriptor(media_types.LAYER_GZIP, digest_of(b"layer"), 5), DiffID(digest_of(b"tar")))


def test_an_image_is_its_config_and_manifest() -> None:
    """Every descriptor names the bytes that are there, and the config holds what was asked for."""
    config = ImageConfig(
        AMD64, {"DEBUG": "a b", "A": "="}, ("run",), ("--help",), "/root", "1000", {"b": "2", "a": "1"}
    )

    image = assemble(config, [LAYER], [HistoryEntry("numpy 1.26.4")])

    assert image.descriptor.digest == digest_of(image.manifest)
    assert image.config_descriptor.digest == digest_of(image.config)
    assert ImageConfig.from_json(json.loads(image.config)) == config
    assert diff_ids_of(json.loads(image.config)) == (LAYER.diff_id,)
    manifest = Manifest.parse(image.manifest, media_type=media_types.IMAGE_MANIFEST)
    assert (manifest.config, tuple(manifest.layers)) == (image.config_descriptor, (LAYER.descriptor,))


def test_the_order_of_env_is_kept_and_of_labels_is_not() -> None:
    """Labels have no order, so equal labels give equal bytes."""
    one = ImageConfig(AMD64, labels={"a": "1", "b": "2"}, env={"X": "1", "Y": "2"})
    other = ImageConfig(AMD64, labels={"b": "2", "a": "1"}, env={"X": "1", "Y": "2"})

    assert assemble(one, [], []) == assemble(other, [], [])
    assert one.to_json([], [])["config"]["Env"] == ["X=1", "Y=2"]


def test_every_layer_has_a_history_entry() -> None:
    """Docker refuses images whose history and layers do not match."""
    with pytest.raises(ValueError, match="one history entry"):
        assemble(ImageConfig(AMD64), [LAYER], [])


HOSTILE = {
    "index and manifest at once": {
        "schemaVersion": 2,
        "config": LAYER.descriptor.to_json(),
        "layers": [],
        "manifests": [],
    },
    "schema 1": {"schemaVersion": 1},
    "media type mismatch": {"schemaVersion": 2, "mediaType": media_types.IMAGE_INDEX},
    "no config": {"schemaVersion": 2, "layers": []},
    "too many layers": {
        "schemaVersion": 2,
        "config": LAYER.descriptor.to_json(),
        "layers": [LAYER.descriptor.to_json()] * 1001,
    },
    "negative size": {"schemaVersion": 2, "layers": [], "config": {**LAYER.descriptor.to_json(), "size": -1}},
    "digest is a path": {
        "schemaVersion": 2,
        "layers": [],
        "config": {**LAYER.descriptor.to_json(), "digest": "sha256:../../etc"},
    },
    "a list": [],
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_manifest_is_refused(document: object) -> None:
    """A document that could be read in two ways, or names what cannot be, is no manifest."""
    with pytest.raises(ValueError, match=r"\w"):
        Manifest.parse(json.dumps(document).encode(), media_type=media_types.IMAGE_MANIFEST)


def test_a_huge_manifest_is_refused_unread() -> None:
    """The limit of the distribution spec holds before anything is parsed."""
    with pytest.raises(ValueError, match="over the limit"):
        Manifest.parse(b" " * (MAX_BYTES + 1), media_type=media_types.IMAGE_MANIFEST)


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", AMD64),
        ("linux/x86_64", AMD64),
        ("Linux/AMD64", AMD64),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("linux/arm/v7", Platform("linux", "arm", "v7")),
    ],
)
def test_a_platform_has_one_spelling(text: str, platform: Platform) -> None:
    """What names the same platform is equal."""
    assert Platform.parse(text) == platform


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    """The text says how a platform is written."""
    with pytest.raises(ValueError, match="linux/amd64"):
        Platform.parse(text)


def test_a_descriptor_is_read_back() -> None:
    """Annotations and platform travel with a descriptor and do not make it another one."""
    blob = Descriptor(media_types.IMAGE_MANIFEST, digest_of(b"x"), 1, {"a": "b"}, Platform("linux", "arm", "v7"))

    again = Descriptor.from_json(blob.to_json())

    assert (again, again.annotations, again.platform) == (blob, blob.annotations, blob.platform)
    assert again == Descriptor(blob.media_type, blob.digest, blob.size)
