"""Which packages share a layer: the layer budget.

Docker's overlay driver fails from about 124 layers and podman 4.3 at 127, and users build on top, so an image stays well
below 100. Of 112 wheels of a large image the 10 largest hold 95 % of the bytes, so the big ones get a layer each and
the many small ones share a few, chosen by name: one more package changes one shared layer.
"""

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of, hex_of

OWN_LAYER_SIZE = 1 << 20  # bytes of the wheel from which a layer of its own pays
MOST_OWN_LAYERS = 40
SHARED_LAYERS = 8


class Package(Protocol):
    """A wheel or a conda package, pinned; they are sorted by their names."""

    @property
    def name(self) -> str:
        """Its name, normalised."""
        ...

    @property
    def file(self) -> InputFile:
        """Its file."""
        ...

    def __lt__(self, other: Any, /) -> bool: ...


P = TypeVar("P", bound=Package)


def share_layers(packages: Iterable[P], *, most_own: int = MOST_OWN_LAYERS) -> list[tuple[P, ...]]:
    """The packages in at most 48 groups, one layer each; the same set of them gives the same groups in the same order."""
    by_size = sorted(packages, key=lambda package: (-package.file.size, package.name))
    big = [package for package in by_size[:most_own] if package.file.size >= OWN_LAYER_SIZE]
    groups: dict[int, list[P]] = {}
    for package in by_size[len(big) :]:
        groups.setdefault(_bucket(package.name), []).append(package)
    shared = [tuple(sorted(group)) for _, group in sorted(groups.items())]
    return [(package,) for package in sorted(big)] + shared


def _bucket(name: str) -> int:
    return int(hex_of(digest_of(name.encode()))[:8], 16) % SHARED_LAYERS
