"""An encoder's id names all that decides its bytes, and there is one without isal as well."""

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import isal
from tests.layer.reading import written

from imagewright.layer.encoder import Fast, Stored

_WITHOUT_ISAL = """
import sys
sys.modules["isal"] = None
from imagewright.layer.encoder import Fast
from imagewright.layer.writer import LayerWriter
with LayerWriter(sys.stdout.buffer, encoder=Fast()) as layer:
    layer.file("x", b"text " * 100_000)
print(Fast().id, layer.diff_id, file=sys.stderr)
"""


def test_ids() -> None:
    """Each kind of encoder has its own."""
    assert Fast().id == f"isal-{isal.ISAL_VERSION}-1"
    assert Stored().id == "stored-1"


def test_without_isal() -> None:
    """zlib takes its place: another id, and the same diff_id."""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PATH": os.environ["PATH"]}

    ended = subprocess.run([sys.executable, "-c", _WITHOUT_ISAL], env=environment, capture_output=True, timeout=60)

    stored, diff_id = written(lambda layer: layer.file("x", b"text " * 100_000), Fast())
    said = ended.stderr.decode().split()
    assert said[0].startswith("zlib-")
    assert said[1] == diff_id
    assert gzip.GzipFile(fileobj=io.BytesIO(ended.stdout)).read() == gzip.decompress(stored)
