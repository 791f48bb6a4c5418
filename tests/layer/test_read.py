"""Stored layers can be looked into, and what is broken is said to be."""

from collections.abc import Iterator

import pytest
from tests.layer.reading import deflated, written

from imagewright.errors import IntegrityError
from imagewright.layer.read import entries, uncompressed
from imagewright.layer.writer import LayerWriter
from imagewright.oci.media_types import DOCKER_LAYER_GZIP, LAYER_GZIP, LAYER_TAR, LAYER_ZSTD


def _sample(layer: LayerWriter) -> None:
    for number in range(300):
        layer.file(f"d/{number}", deflated(b"%d" % number * 100))


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize("media_type", [LAYER_GZIP, DOCKER_LAYER_GZIP, LAYER_TAR])
def test_entries(size: int, media_type: str) -> None:
    """Every entry and its content, however the chunks are cut."""
    stored, _ = written(_sample)
    if media_type == LAYER_TAR:
        stored = b"".join(uncompressed([stored], LAYER_GZIP))

    with entries(_cut(stored, size), media_type) as tar:
        found = {entry.name: file.read() if (file := tar.extractfile(entry)) else None for entry in tar}

    assert found == {"d": None} | {f"d/{number}": b"%d" % number * 100 for number in range(300)}


@pytest.mark.parametrize(
    ("stored", "media_type"),
    [
        (written(_sample)[0][:-5], LAYER_GZIP),
        (written(_sample)[0][:1000], LAYER_GZIP),
        (b"no gzip at all", LAYER_GZIP),
        (written(_sample)[0] + b"tail", LAYER_GZIP),
        (written(_sample)[0], LAYER_ZSTD),
    ],
    ids=["cut", "cut short", "text", "tail", "zstd"],
)
def test_broken(stored: bytes, media_type: str) -> None:
    """A layer that is cut, followed by something or not what it says is an error, never a shorter layer."""
    with pytest.raises(IntegrityError):
        list(uncompressed([stored], media_type))


def test_an_error_of_the_source_passes_through() -> None:
    """When the store fails in the middle, its own error comes out."""

    def failing() -> Iterator[bytes]:
        yield written(_sample)[0][:500]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(uncompressed(failing(), LAYER_GZIP))
