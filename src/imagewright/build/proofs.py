"""Which files were found to keep all rules of their kind, remembered on disk."""

import os
from contextlib import suppress
from pathlib import Path

from imagewright.layer.planned import InputFile
from imagewright.oci.digest import hex_of


class Proofs:
    """An empty file in ``folder``/<rules>/<hex> for each file that keeps these rules. Safe for several threads and processes.

    A digest says which bytes were looked at, so a proof never becomes wrong; one that is lost is found again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, file: InputFile, rules: str) -> bool:
        """Whether a file of this digest was found to keep the rules before."""
        return self._path(file, rules).exists()

    def add(self, file: InputFile, rules: str) -> None:
        """Remember that it does. Where nothing can be written, it is proven again the next time."""
        path = self._path(file, rules)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))

    def _path(self, file: InputFile, rules: str) -> Path:
        return self._folder / rules / hex_of(file.digest)
