"""Conda packages on disk, and the layers that become of them."""

import io
from collections.abc import Sequence
from pathlib import Path

from imagewright.layer.planned import InputFile, NothingProven
from imagewright.packages.conda.locked import LockedConda
from imagewright.packages.conda.package_layer import CondaLayer
from imagewright.testing.conda import MadePackage

PREFIX = "/opt/imagewright-conda"


class Folder(NothingProven):
    """Packages in a folder, as the inputs of layers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, package: MadePackage) -> LockedConda:
        """The package, locked as one of a channel."""
        (self._folder / package.filename).write_bytes(package.data)
        url = f"https://conda.example.com/channel/{package.index['subdir']}/{package.filename}"
        return LockedConda(
            package.index["name"],
            package.index["version"],
            package.index["build"],
            package.index.get("noarch", ""),
            InputFile(url, package.digest, len(package.data)),
        )

    def path(self, file: InputFile) -> Path:
        """Where a package is."""
        return self._folder / file.url.rpartition("/")[2]


def stored(
    packages: Sequence[MadePackage], folder: Path, *, python: str = "3.11", allowed: frozenset[str] = frozenset()
) -> bytes:
    """The stored bytes of the layer of these packages."""
    inputs = Folder(folder)
    out = io.BytesIO()
    CondaLayer(tuple(map(inputs.add, packages)), PREFIX, python, allowed).write(inputs, out)
    return out.getvalue()
