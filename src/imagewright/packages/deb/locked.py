"""A Debian base that is pinned: packages by the digest of their file."""

from imagewright.dataclass import dataclass
from imagewright.layer.planned import InputFile
from imagewright.oci.platform import Platform


@dataclass(frozen=True, slots=True, order=True)
class LockedDeb:
    """A Debian package, pinned. ``file.url`` is ``deb:debian/pool/...``: an archive and a path in it, and no host.

    ``architecture`` is Debian's word for it, or ``all``.
    """

    name: str
    version: str
    architecture: str
    file: InputFile


@dataclass(frozen=True, slots=True)
class LockedBase:
    """All packages of a base image, by name. ``release`` is a codename (``bookworm``), ``python`` ``3.11``."""

    release: str
    python: str
    platform: Platform
    debs: tuple[LockedDeb, ...]

    def deb(self, name: str) -> LockedDeb:
        """The package of that name.

        Raises:
            KeyError: The base has none.
        """
        for deb in self.debs:
            if deb.name == name:
                return deb
        raise KeyError(name)
