"""A requirements file in pip's syntax: what it names, on which line, and which options it sets."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from os.path import normpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, Where
from imagewright.oci.digest import Digest
from imagewright.spec.names import local_path
from imagewright.spec.requirements import LINES, kind_of

_INCLUDES = ("-r", "--requirement", "-c", "--constraint")
_EDITABLE = ("-e", "--editable")
_REPOSITORY = re.compile(r"(?:^|@\s*)(?P<kind>git|hg|svn|bzr)\+")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Line:
    """One requirement of a file (or of one that it includes), its continuation lines joined. ``hashes`` are pip's."""

    file: Path
    number: int
    text: str
    name: str
    marker: str
    hashes: frozenset[Digest]


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What the lines of a file say about indexes, with pip's meaning."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    prereleases: bool = False
    require_hashes: bool = False


def read_lines(path: Path) -> tuple[Line, ...]:
    """The requirements of the file and of those it includes with ``-r``; constraints are not among them.

    What is not understood is left out: uv reads the file itself, and it is the judge of it. Files of other kinds
    have no such lines.
    """
    if kind_of(path) != LINES:
        return ()
    return tuple(line for found in _statements(path) if (line := _requirement(*found)) is not None)


def read_options(path: Path, environ: Mapping[str, str]) -> FileOptions:
    """The options of the file and of those it includes. ``${NAME}`` in a URL is a variable, as pip has it."""
    if kind_of(path) != LINES:
        return FileOptions()
    index_url, more = None, dict[str, list[str]]()
    flags = set[str]()
    for _, _, text in _statements(path):
        if not text.startswith("-"):
            continue
        flag, _, value = re.sub(r"^(-[if])(?=[^\s-])", r"\1 ", text).replace("=", " ", 1).partition(" ")
        value = _VARIABLE.sub(lambda match: environ.get(match["name"], match[0]), value.strip().strip("\"'"))
        if flag in ("-i", "--index-url", "--pypi-url"):
            index_url = value
        elif flag in ("--extra-index-url", "-f", "--find-links", "--trusted-host"):
            more.setdefault("--find-links" if flag == "-f" else flag, []).append(value)
        else:
            flags.add(flag)
    return FileOptions(
        index_url,
        tuple(more.get("--extra-index-url", ())),
        tuple(more.get("--find-links", ())),
        tuple(more.get("--trusted-host", ())),
        "--pre" in flags,
        "--require-hashes" in flags,
    )


def check_sources(path: Path, by: str = "") -> None:
    """Refuse lines that name something to be built: a project's folder, an sdist, or a repository. ``by`` forbids it.

    Raises:
        LockError: There is one.
    """
    if kind_of(path) != LINES:
        return
    for file, number, text in _statements(path):
        if source := source_in(text):
            raise from_source(text, source, where=Where(str(file), number, text, text.split()[-1]), by=by)


def source_in(requirement: str) -> str:
    """What a requirement (or ``-e`` line) wants to have built, in words; "" when it can be a wheel."""
    if requirement.startswith(_EDITABLE):
        return "a folder, to be installed in place"
    if requirement.startswith("-"):
        return ""
    if repository := _REPOSITORY.search(requirement):
        return f"a {repository['kind']} repository"
    plain = re.split(r"\s+--|\s+;|;\s", requirement)[0].strip()
    path = local_path(plain)
    url = plain.rpartition("@ ")[2].strip() if "://" in plain else ""
    name = unquote(urlsplit(url or path).path)
    if not path and not url:
        return ""
    if name.endswith(".whl"):
        return ""
    return "an sdist" if re.search(r"\.(zip|tar\.\w+|tgz)$", name) else "a folder" if path else ""


def from_source(named: str, source: str, *, where: Where | None = None, by: str = "") -> LockError:
    """The error for what would have to be built and may not be, or cannot. ``by`` is what forbids it."""
    reason = f"{by} allows wheels only" if by else "imagewright builds folders, sdists and git repositories"
    return LockError(
        f"{named} is {source}, and {reason}",
        code="IW204",
        fix=[
            *([f"without {by} it is built"] if by else []),
            "make a wheel of it (pip wheel --no-deps, or uv build --wheel) and name the .whl file",
            *(["or put the code itself into the image: source_root, or copy"] if "folder" in source else []),
        ],
        where=where,
    )


def with_sources_changed(path: Path, change: Callable[[str, Where], str]) -> str:
    """The text of a file, and of those that it includes, with other lines where one names a source.

    ``change`` gets such a line and its place. What else is relative to the file's folder gets its whole path, so that
    the text can lie anywhere.
    """
    lines = []
    for file, number, text in _statements(path, constraints=True):
        if source_in(text):
            lines.append(change(text, Where(str(file), number, text, text.split()[-1])))
        elif (local := local_path(text)) and not local.startswith("/"):
            lines.append(text.replace(local, normpath(file.parent / local), 1))
        else:
            lines.append(text)
    return "".join(f"{line}\n" for line in lines)


def has_sources(path: Path) -> bool:
    """Whether a line of the file, or of one that it includes, names a source."""
    return kind_of(path) == LINES and any(source_in(text) for _, _, text in _statements(path))


def find_line(path: Path, name: str) -> Where | None:
    """Where the file asks for the package ``name``."""
    wanted = canonicalize_name(name)
    for line in read_lines(path):
        if canonicalize_name(line.name) == wanted:
            return Where(str(line.file), line.number, line.text, line.name)
    if kind_of(path) == LINES or not path.is_file():
        return None
    spelled = re.compile(
        "[-_.]+".join(map(re.escape, re.split(r"[-_.]+", name))) + r"(?![A-Za-z0-9._-])", re.IGNORECASE
    )
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        for match in spelled.finditer(text):
            if text[: match.start()].endswith(('"', "'")):
                return Where(str(path), number, text.strip(), match[0])
    return None


def _requirement(file: Path, number: int, text: str) -> Line | None:
    requirement, *options = re.split(r"\s+(?=--)", text)
    try:
        parsed = Requirement(requirement)
        name, marker = parsed.name, str(parsed.marker or "")
    except InvalidRequirement:
        path, _, marker = requirement.partition(";")
        try:
            name = str(parse_wheel_filename(unquote(urlsplit(path.strip()).path).rpartition("/")[2])[0])
            marker = str(Requirement(f"{name} ; {marker}").marker) if marker.strip() else ""
        except (InvalidWheelFilename, InvalidRequirement):
            return None
    hashes = frozenset(
        Digest("sha256:" + option.partition("sha256:")[2].strip().lower())
        for option in options
        if option.startswith("--hash") and "sha256:" in option
    )
    return Line(file, number, text, name, marker, hashes)


def _statements(
    path: Path, *, seen: set[Path] | None = None, constraints: bool = False
) -> Iterator[tuple[Path, int, str]]:
    """The logical lines of a file and of those it includes with ``-r``: file, number, text.

    With ``constraints`` also the lines that name constraints, with the whole path.
    """
    seen = set() if seen is None else seen
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for number, text in _logical_lines(path):
        if not text.startswith(_INCLUDES):
            yield path, number, text
        elif not text.startswith(("-c", "--constraint")) and (included := _included(path, text)) is not None:
            yield from _statements(included, seen=seen, constraints=constraints)
        elif constraints:
            included = _included(path, text)
            yield path, number, f"-c {included}" if included is not None else text


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without comments, continuations joined. Source: pip documentation, "Requirements File Format"."""
    begun, parts = 0, list[str]()
    for number, raw in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        begun = begun or number
        if raw.endswith("\\"):
            parts.append(raw[:-1].strip())
            continue
        text = re.sub(r"(^|\s)#.*$", "", " ".join([*parts, raw.strip()])).strip()
        if text:
            yield begun, text
        begun, parts = 0, []


def _included(file: Path, text: str) -> Path | None:
    try:
        words = shlex.split(text.replace("=", " ", 1) if text.startswith("--") else text)
    except ValueError:
        return None
    name = words[1] if len(words) > 1 else words[0][2:]
    # Without its "..", or files that include each other would have ever new names.
    return Path(normpath(file.parent / name)) if name and "://" not in name else None
