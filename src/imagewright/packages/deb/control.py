"""Paragraphs of ``Field: value`` lines, as control files, package indexes and apt's .sources files have them."""

import re
from collections.abc import Iterator

_LINE = re.compile(r"([!-9;-~]+):[ \t]*(.*)")


def fields(paragraph: str) -> dict[str, str]:
    """The fields of one paragraph, in order; lines that go on keep their line end and their indent.

    Source: Debian Policy 4.6.2, section 5.1.

    Raises:
        ValueError: A line is neither a field nor goes on with one.
    """
    found: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line[:1] in (" ", "\t"):
            if not name:
                raise ValueError(f"a paragraph begins with a field, not with {line!r}")
            found[name] += f"\n{line}"
        elif line and not line.startswith("#"):
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"not a field: {line[:80]!r}")
            name = match[1]
            found[name] = match[2].rstrip()
    return found


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a file, which empty lines divide."""
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", text):
        found = fields(paragraph)
        if found:
            yield found
