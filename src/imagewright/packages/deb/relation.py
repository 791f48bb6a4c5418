"""Relations between packages: ``libc6 (>= 2.36), default-mta | mail-transport-agent``."""

import re
from functools import lru_cache

from imagewright.dataclass import dataclass
from imagewright.packages.deb.version import satisfies

_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s)]+)\s*\))?"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """A package's name, with a limit on its version or without (``operator`` is then "")."""

    name: str
    operator: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name

    def allows(self, version: str) -> bool:
        """Whether a package of that name and this version is meant."""
        return not self.operator or satisfies(version, self.operator, self.version)


Alternatives = tuple[Relation, ...]


@lru_cache(maxsize=4096)
def relations(field: str) -> tuple[Alternatives, ...]:
    """A dependency field: all of the groups have to be met, each by one of its alternatives.

    An architecture qualifier (``python3:any``) is left out: all packages here are of one architecture.
    Source: Debian Policy 4.6.2, section 7.1.

    Raises:
        ValueError: It is not a dependency field.
    """
    return tuple(
        tuple(_relation(alternative) for alternative in group.split("|")) for group in field.split(",") if group.strip()
    )


def _relation(text: str) -> Relation:
    match = _RELATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a relation between packages: {text.strip()!r}")
    return Relation(match["name"], match["operator"] or "", match["version"] or "")
