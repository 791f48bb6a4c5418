"""A wheel that is pinned: pure data, as a lock gives it."""

from urllib.parse import unquote, urlsplit

from imagewright.dataclass import dataclass
from imagewright.layer.planned import InputFile


@dataclass(frozen=True, slots=True, order=True)
class LockedWheel:
    """One wheel, pinned by the digest of its file. ``name`` is normalised (PEP 503), ``version`` as the lock says it."""

    name: str
    version: str
    file: InputFile

    @property
    def filename(self) -> str:
        """The wheel's own file name, which names its distribution, version and tags."""
        return unquote(urlsplit(self.file.url).path).rpartition("/")[2]
