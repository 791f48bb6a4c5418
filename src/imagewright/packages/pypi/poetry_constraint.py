"""Poetry's version constraints (``^1.2``, ``~1.2``, ``1.*``, ``||``) as the specifiers of PEP 440."""

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version


def allows(constraint: str, version: str) -> bool:
    """Whether a version satisfies a constraint. One that is not understood allows everything.

    Source: Poetry documentation, "Dependency specification", "Version constraints".
    """
    for alternative in re.split(r"\s*\|\|?\s*", constraint.strip()):
        try:
            if SpecifierSet(_specifiers(alternative)).contains(version, prereleases=True):
                return True
        except (InvalidSpecifier, InvalidVersion, ValueError):
            return True
    return False


def _specifiers(text: str) -> str:
    parts = re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[<>=!~^])", text.strip())
    return ",".join(specifier for part in parts if (specifier := _specifier(part.replace(" ", ""))))


def _specifier(part: str) -> str:
    if part in ("", "*"):
        return ""
    if part.startswith("^"):
        release = Version(part[1:]).release
        raised = next((at for at, number in enumerate(release) if number), len(release) - 1)
        return f">={part[1:]},<{_next(release, raised)}"
    if part.startswith("~") and not part.startswith("~="):
        release = Version(part[1:]).release
        return f">={part[1:]},<{_next(release, min(1, len(release) - 1))}"
    return part if part[0] in "<>=!~" else f"=={part}"


def _next(release: tuple[int, ...], at: int) -> str:
    return ".".join(map(str, (*release[:at], release[at] + 1)))
