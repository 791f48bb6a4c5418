"""A requirements file in pip's syntax: which kind it is, what it names, and on which line."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from imagewright.errors import LockError, SpecError, Where
from imagewright.oci.digest import Digest

_OTHER_KINDS = {"uv.lock": "a uv project", "poetry.lock": "a Poetry project", "pyproject.toml": "a project"}
_INCLUDES = ("-r", "--requirement", "-c", "--constraint")


@dataclass(frozen=True, slots=True)
class Line:
    """One requirement of a file (or of one that it includes), its continuation lines joined. ``hashes`` are pip's."""

    file: Path
    number: int
    text: str
    name: str
    hashes: frozenset[Digest]


def check_kind(path: Path, *, where: Where | None = None) -> None:
    """Refuse what is not a requirements file in pip's syntax.

    Raises:
        LockError: It is the lock or the project file of another tool.
        SpecError: It is not there.
    """
    if path.name in _OTHER_KINDS or path.suffix == ".toml":
        kind = _OTHER_KINDS.get(path.name, "a TOML file")
        tool = {"uv.lock": "uv export --no-emit-project", "poetry.lock": "poetry export"}.get(path.name, "uv export")
        raise LockError(
            f"requirements={path.name!r} is {kind}, which the native builder does not install yet",
            code="IW204",
            fix=f"{tool} > requirements.txt, and requirements='requirements.txt'",
            where=where,
        )
    if not path.is_file():
        raise SpecError(f"requirements: there is no file {path}", fix="correct the path", where=where)


def read_lines(path: Path) -> tuple[Line, ...]:
    """The requirements of the file and of those it includes with ``-r``; constraints are not among them.

    What is not understood is left out: uv reads the file itself, and it is the judge of it.
    """
    return tuple(_lines(path, seen=set()))


def find_line(path: Path, name: str) -> Where | None:
    """Where the file asks for the package ``name``."""
    wanted = canonicalize_name(name)
    for line in read_lines(path):
        if canonicalize_name(line.name) == wanted:
            return Where(str(line.file), line.number, line.text, line.name)
    return None


def _lines(path: Path, *, seen: set[Path]) -> Iterator[Line]:
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for number, text in _logical_lines(path):
        included = _included(path, text)
        if included is not None:
            if not text.startswith(("-c", "--constraint")):
                yield from _lines(included, seen=seen)
            continue
        requirement, *options = re.split(r"\s+(?=--)", text)
        try:
            name = Requirement(requirement).name
        except InvalidRequirement:
            continue
        hashes = frozenset(
            Digest(option.partition("sha256:")[0] and f"sha256:{option.partition('sha256:')[2].strip().lower()}")
            for option in options
            if option.startswith("--hash") and "sha256:" in option
        )
        yield Line(path, number, text, name, hashes)


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without comments, continuations joined. Source: pip documentation, "Requirements File Format"."""
    begun, parts = 0, list[str]()
    for number, raw in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        begun = begun or number
        if raw.endswith("\\"):
            parts.append(raw[:-1].strip())
            continue
        text = re.sub(r"(^|\s)#.*$", "", " ".join([*parts, raw.strip()])).strip()
        if text:
            yield begun, text
        begun, parts = 0, []


def _included(file: Path, text: str) -> Path | None:
    if not text.startswith(_INCLUDES):
        return None
    try:
        words = shlex.split(text.replace("=", " ", 1) if text.startswith("--") else text)
    except ValueError:
        return None
    name = words[1] if len(words) > 1 else words[0][2:]
    # Without its "..", or files that include each other would have ever new names.
    return Path(normpath(file.parent / name)) if name and "://" not in name else None
