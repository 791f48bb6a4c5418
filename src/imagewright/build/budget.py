"""Which packages share a layer: the layer budget.

Docker's overlay driver fails from about 124 layers and podman 4.3 at 127, and users build on top, so an image stays well
below 100. Of 112 wheels of a large image the 10 largest hold 95 % of the bytes, so the big ones get a layer each and
the many small ones share a few, chosen by name: one more package changes one shared layer.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of, hex_of
from imagewright.spec.names import normalized_name

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


def share_layers(
    packages: Iterable[P], *, most_own: int = MOST_OWN_LAYERS, last: Sequence[str] = ()
) -> list[tuple[P, ...]]:
    """The packages in at most 48 groups, one layer each; the same set of them gives the same groups in the same order.

    Those named in ``last`` have a layer each, in the order of their names there, above the others.
    """
    ordered = in_order(packages, last)
    on_top = [package for package in ordered if normalized_name(package.name) in last]
    most_own = max(0, most_own - len(on_top))
    by_size = sorted(ordered[: len(ordered) - len(on_top)], key=lambda package: (-package.file.size, package.name))
    big = [package for package in by_size[:most_own] if package.file.size >= OWN_LAYER_SIZE]
    groups: dict[int, list[P]] = {}
    for package in by_size[len(big) :]:
        groups.setdefault(_bucket(package.name), []).append(package)
    shared = [tuple(sorted(group)) for _, group in sorted(groups.items())]
    return [(package,) for package in sorted(big)] + shared + [(package,) for package in on_top]


def in_order(packages: Iterable[P], last: Sequence[str] = ()) -> list[P]:
    """The packages by name, and after them those that are named in ``last``, normalised, in its order."""
    places = {name: place for place, name in enumerate(last)}
    return sorted(packages, key=lambda package: (places.get(normalized_name(package.name), -1), package))


def _bucket(name: str) -> int:
    return int(hex_of(digest_of(name.encode()))[:8], 16) % SHARED_LAYERS
