"""The wheels that were built here, by everything that decided them."""

import json
import os
import threading
from pathlib import Path

from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, canonical_json, hex_of, parse_digest
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.source import Source


class KnownWheels:
    """Key -> `LockedWheel`, a small file each in ``folder``; the wheels are in ``files``, by digest.

    Safe to share between threads and processes. What cannot be read counts as not there, and is built again.
    """

    def __init__(self, folder: Path, files: Path) -> None:
        self._folder = folder
        self._files = files / "sha256"

    def path(self, digest: Digest) -> Path:
        """Where a wheel of this digest is, or would be: among downloaded files, which are checked as they are used."""
        return self._files / hex_of(digest)

    def find(self, key: Digest, source: Source) -> LockedWheel | None:
        """The wheel that was built for this key, if it is still here."""
        try:
            document = json.loads(self._record(key).read_bytes())
            name, version, filename, digest, size = document["wheel"]
            file = InputFile(f"built:{filename}", parse_digest(digest), size)
            if self.path(file.digest).stat().st_size != size:
                return None
            made = source.called(name, version)
            return LockedWheel(name, version, file, made.with_requires(map(str, document["requires"])))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, key: Digest, wheel: LockedWheel, built: Path) -> None:
        """Take in a wheel that was built, from a file of the same file system or of another one."""
        assert wheel.source is not None
        self._files.mkdir(parents=True, exist_ok=True)
        part = self._files / f".{os.getpid()}-{threading.get_ident()}.built"
        try:
            part.write_bytes(built.read_bytes())
            part.replace(self.path(wheel.file.digest))
        finally:
            part.unlink(missing_ok=True)
        record = self._record(key)
        record.parent.mkdir(parents=True, exist_ok=True)
        temporary = record.with_name(f".{record.name}.{os.getpid()}.{threading.get_ident()}")
        row = [wheel.name, wheel.version, wheel.filename, wheel.file.digest, wheel.file.size]
        temporary.write_bytes(canonical_json({"wheel": row, "requires": list(wheel.source.requires)}))
        temporary.replace(record)

    def _record(self, key: Digest) -> Path:
        return self._folder / f"{hex_of(key)}.json"
