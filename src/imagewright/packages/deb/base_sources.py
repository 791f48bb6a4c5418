"""The source lists of somebody else's image, with other mirrors, another time, or further suites of the same archive."""

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from imagewright.errors import LockError
from imagewright.packages.deb.control import paragraphs
from imagewright.packages.deb.mirror import DEBIAN, SECURITY, SUITE, Mirrors

Entry = dict[str, str]

_LINE = re.compile(
    r"(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(?:\s+\S+)*)\s*"
)
_NAMES = {"arch": "Architectures", "lang": "Languages", "target": "Targets", "pdiffs": "PDiffs"}


def entries_of(sources: Iterable[tuple[str, str]]) -> list[Entry]:
    """The archives that source lists (name, text) name, as paragraphs of a ``.sources`` file; what is disabled is left out.

    Source: sources.list(5) of apt 2.6.
    """
    found: list[Entry] = []
    for name, text in sources:
        found += _deb822(text) if name.endswith(".sources") else _one_line(text)
    return [entry for entry in found if entry.get("Enabled", "yes").lower() not in ("no", "false", "0")]


def with_suites(entries: Sequence[Entry], suites: Iterable[str]) -> list[Entry]:
    """The entries, and for each suite that none of them has one that takes it from where the first of its release is."""
    result = list(entries)
    for suite in suites:
        if any(suite in entry.get("Suites", "").split() for entry in result):
            continue
        release = suite.partition("-")[0]
        like = [entry for entry in entries if release in entry.get("Suites", "").split()]
        if like:
            result.append({**like[0], "Suites": suite})
    return result


def moved(entries: Sequence[Entry], mirrors: Mirrors, snapshot: str) -> list[Entry]:
    """The entries, with Debian's own archives at these mirrors, or as they were at the time ``snapshot``.

    Raises:
        LockError: No mirror is known (IW206).
    """
    result: list[Entry] = []
    for entry in entries:
        suites = entry.get("Suites", "").split()
        if not _is_debians(entry) or not all(map(SUITE.fullmatch, suites)):
            result.append(entry)
            continue
        for archive in (DEBIAN, SECURITY):
            mine = [suite for suite in suites if _archive(suite) == archive]
            if mine:
                name = f"{archive}@{snapshot}" if snapshot else archive
                uri = mirrors.url(f"deb:{name}/").rstrip("/")
                result.append({**entry, "URIs": uri, "Suites": " ".join(mine)})
    return result


def text_of(entries: Iterable[Entry]) -> str:
    """A ``.sources`` file."""
    return "\n".join(
        "".join(f"{name}:{'' if value.startswith(chr(10)) else ' '}{value}\n" for name, value in entry.items())
        for entry in entries
    )


def has_debian(entries: Iterable[Entry]) -> bool:
    """Whether one of them is Debian's own archive."""
    return any(map(_is_debians, entries))


def without_host(url: str, mirrors: Mirrors, snapshot: str) -> str:
    """A package's address as a lock has it: ``deb:debian/pool/...`` where it is on one of these mirrors."""
    for archive in (DEBIAN, SECURITY):
        name = f"{archive}@{snapshot}" if snapshot else archive
        try:
            mirror = mirrors.url(f"deb:{name}/")
        except LockError:
            continue
        if url.startswith(mirror):
            return f"deb:{name}/{url.removeprefix(mirror)}"
    return url


def _is_debians(entry: Entry) -> bool:
    """Other archives have suites of the same names: Debian's keys sign its own, which ends in ``debian``."""
    signed_by = entry.get("Signed-By", "")
    paths = [urlsplit(uri).path.rstrip("/") for uri in entry.get("URIs", "").split()]
    ours = all(path.endswith((f"/{DEBIAN}", f"/{SECURITY}")) for path in paths)
    return ours and bool(paths) and (not signed_by or "debian-archive" in signed_by)


def _archive(suite: str) -> str:
    match = SUITE.fullmatch(suite)
    return SECURITY if match and match["security"] else DEBIAN


def _one_line(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        match = _LINE.fullmatch(line.partition("#")[0].strip())
        if match is None:
            continue
        entry = {
            "Types": match["type"],
            "URIs": match["uri"],
            "Suites": match["suite"],
            "Components": " ".join(match["components"].split()),
        }
        for option in (match["options"] or "").split():
            name, _, value = option.partition("=")
            entry[_NAMES.get(name, name.title())] = value.replace(",", " ")
        yield {name: value for name, value in entry.items() if value}


def _deb822(text: str) -> list[Entry]:
    try:
        return [{_SPELLED.get(name.lower(), name): value for name, value in one.items()} for one in paragraphs(text)]
    except ValueError:
        return []  # apt will say what is wrong with it


_SPELLED = {
    name.lower(): name for name in ("Types", "URIs", "Suites", "Components", "Signed-By", "Enabled", "Architectures")
}
