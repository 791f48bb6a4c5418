"""Programs written in Go read layers of many gzip members: umoci unpacks one, skopeo compresses it anew."""

import hashlib
import io
import json
from pathlib import Path

import pytest
from tests.layer.reading import deflated

from imagewright.layer.encoder import Encoder, Fast, Stored
from imagewright.layer.writer import LayerWriter
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import digest_of
from imagewright.oci.image import assemble
from imagewright.oci.media_types import LAYER_GZIP
from imagewright.oci.platform import Platform
from imagewright.store.layout import Layout
from imagewright.testing.engines import output_of
from imagewright.testing.images import MadeImage

pytestmark = pytest.mark.tool

NOISE = hashlib.shake_256(b"noise").digest(300_000)


def _files() -> dict[str, bytes]:
    """Eight hundred files: empty, tiny, small, large, long of name, and not of ASCII."""
    files = {f"srv/{number % 40}/{number}.py": b"x = %d\n" % number * (number % 90) for number in range(800)}
    files["srv/large.bin"] = NOISE + bytes(2_000_000)
    files["srv/" + "long/" * 45 + "name"] = b"long"
    files["srv/\u00e9/" + "\u4e16" * 40] = b"unicode"
    return files


@pytest.fixture(params=[Stored(), Fast()], ids=["stored", "fast"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Layout:
    """A store with an image of one such layer, tagged ``spliced``."""
    encoder: Encoder = request.param
    out = io.BytesIO()
    with LayerWriter(out, encoder=encoder) as writer:
        for path, data in _files().items():
            writer.file(path, deflated(data), 0o755 if path.endswith("7.py") else 0o644)
        writer.symlink("srv/link", "large.bin")
    stored = out.getvalue()
    layer = Layer(Descriptor(LAYER_GZIP, digest_of(stored), len(stored)), writer.diff_id)
    image = assemble(ImageConfig(Platform("linux", "amd64")), [layer], [HistoryEntry("spliced")])
    blobs = {layer.descriptor: stored, image.config_descriptor: image.config, image.descriptor: image.manifest}
    made = Layout(tmp_path / "store")
    made.tag(MadeImage(image, blobs).push_to(made), "spliced")
    return made


def test_umoci_unpacks_it(umoci: str, layout: Layout, tmp_path: Path) -> None:
    """Every file with its content and mode; umoci also holds the tar against the diff_id."""
    output_of(umoci, "unpack", "--rootless", "--image", f"{layout.root}:spliced", str(tmp_path / "bundle"))

    root = tmp_path / "bundle" / "rootfs"
    for path, data in _files().items():
        assert (root / path).read_bytes() == data
        assert (root / path).stat().st_mode & 0o777 == (0o755 if path.endswith("7.py") else 0o644)
    assert (root / "srv/link").readlink() == Path("large.bin")


def test_skopeo_compresses_it_anew(skopeo: str, layout: Layout, tmp_path: Path) -> None:
    """Read through Go's gzip and written as zstd, the tar is the same."""
    copy = tmp_path / "copy"
    compression = ("--dest-compress-format", "zstd", "--dest-compress")
    output_of(skopeo, "copy", "--quiet", *compression, f"oci:{layout.root}:spliced", f"oci:{copy}:copied")

    before = json.loads(output_of(skopeo, "inspect", "--config", f"oci:{layout.root}:spliced"))
    after = json.loads(output_of(skopeo, "inspect", "--config", f"oci:{copy}:copied"))
    layers = json.loads(output_of(skopeo, "inspect", "--raw", f"oci:{copy}:copied"))["layers"]
    assert after["rootfs"] == before["rootfs"]
    assert [layer["mediaType"] for layer in layers] == ["application/vnd.oci.image.layer.v1.tar+zstd"]
