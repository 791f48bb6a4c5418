"""Which wheels share a layer: the layer budget.

Docker's overlay driver fails from about 124 layers and podman 4.3 at 127, and users build on top, so an image stays well
below 100. Of 112 wheels of a large image the 10 largest hold 95 % of the bytes, so the big ones get a layer each and
the many small ones share a few, chosen by name: one more package changes one shared layer.
"""

from collections.abc import Iterable

from imagewright.oci.digest import digest_of, hex_of
from imagewright.packages.pypi.locked import LockedWheel

OWN_LAYER_SIZE = 1 << 20  # bytes of the wheel from which a layer of its own pays
MOST_OWN_LAYERS = 40
SHARED_LAYERS = 8


def share_layers(wheels: Iterable[LockedWheel]) -> list[tuple[LockedWheel, ...]]:
    """The wheels in at most 48 groups, one layer each; the same set of wheels gives the same groups in the same order."""
    by_size = sorted(wheels, key=lambda wheel: (-wheel.file.size, wheel.name))
    big = [wheel for wheel in by_size[:MOST_OWN_LAYERS] if wheel.file.size >= OWN_LAYER_SIZE]
    groups: dict[int, list[LockedWheel]] = {}
    for wheel in by_size[len(big) :]:
        groups.setdefault(_bucket(wheel.name), []).append(wheel)
    shared = [tuple(sorted(group)) for _, group in sorted(groups.items())]
    return [(wheel,) for wheel in sorted(big)] + shared


def _bucket(name: str) -> int:
    return int(hex_of(digest_of(name.encode()))[:8], 16) % SHARED_LAYERS
