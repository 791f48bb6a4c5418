"""Which layer a key has led to, remembered on disk."""

import json
import os
import threading
from pathlib import Path

from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import DiffID, Digest, canonical_json, hex_of, parse_digest


class Records:
    """Key -> `Layer`, a small file each. Safe to share between threads and processes.

    A record is a hint about this machine's own work: whoever uses it asks the store for the blob, and a record that
    cannot be read counts as none, because the layer can be written again from its plan.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: Digest) -> Layer | None:
        """The layer that was written for this key, or None."""
        try:
            document = json.loads(self._path(key).read_bytes())
            return Layer(Descriptor.from_json(document["layer"]), DiffID(parse_digest(document["diff_id"])))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remember(self, key: Digest, layer: Layer) -> None:
        """Keep what this key led to."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        temporary.write_bytes(canonical_json({"layer": layer.descriptor.to_json(), "diff_id": layer.diff_id}))
        temporary.replace(path)

    def _path(self, key: Digest) -> Path:
        return self._folder / f"{hex_of(key)}.json"
