"""What is left to do for Debian packages whose files are in place."""

from imagewright.dataclass import dataclass
from imagewright.packages.deb.locked import LockedDeb


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was unpacked. ``status`` are paragraphs for dpkg's status file, ``triggers`` paths whose triggers are activated.

    ``left`` are the packages that dpkg has to unpack itself, because a script of theirs runs before that.
    ``architecture`` is the image's.
    """

    status: str
    left: tuple[LockedDeb, ...]
    triggers: tuple[tuple[str, str], ...]
    architecture: str
