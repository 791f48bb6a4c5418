from pathlib import Path

import pytest

from imagewright.build.records import Records
from imagewright.oci import media_types
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, digest_of, hex_of

KEY = digest_of(b"key")
LAYER = Layer(Descriptor(media_types.LAYER_GZIP, digest_of(b"layer"), 5), DiffID(digest_of(b"tar")))


def test_what_is_remembered_is_found(tmp_path: Path) -> None:
    """A key leads to the layer that was written for it, in another process too."""
    Records(tmp_path).remember(KEY, LAYER)

    assert Records(tmp_path).find(KEY) == LAYER
    assert Records(tmp_path).find(digest_of(b"another")) is None


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"layer": {}}', b'{"layer": null, "diff_id": "sha256:../.."}', b"\xff"]
)
def test_a_damaged_record_counts_as_none(tmp_path: Path, damage: bytes) -> None:
    """The layer can be written again, so a record that cannot be read stops nothing."""
    records = Records(tmp_path)
    records.remember(KEY, LAYER)
    (tmp_path / f"{hex_of(KEY)}.json").write_bytes(damage)

    assert records.find(KEY) is None
