"""A wheel that is pinned: pure data, as a lock gives it."""

from urllib.parse import unquote, urlsplit

from imagewright.dataclass import dataclass
from imagewright.layer.planned import InputFile
from imagewright.packages.pypi.source import Source


@dataclass(frozen=True, slots=True, order=True)
class LockedWheel:
    """One wheel, pinned by the digest of its file. ``name`` is normalised (PEP 503), ``version`` as the lock says it.

    ``source`` is what it was built from here; None for a wheel that an index has. The URL of a built one is ``built:``
    and its file name.
    """

    name: str
    version: str
    file: InputFile
    source: Source | None = None

    @property
    def filename(self) -> str:
        """The wheel's own file name, which names its distribution, version and tags."""
        return unquote(urlsplit(self.file.url).path).rpartition("/")[2]
