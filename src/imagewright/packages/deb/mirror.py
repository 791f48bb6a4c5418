"""Where Debian's archives are, as the host's own apt is set up."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from imagewright.dataclass import dataclass
from imagewright.errors import LockError
from imagewright.packages.deb.control import paragraphs

DEBIAN, SECURITY = "debian", "debian-security"

SUITE = re.compile(
    r"(?:bullseye|bookworm|trixie|forky|duke|sid|unstable|testing|(?:old){0,3}stable)(?P<security>(?:-security|/updates)?)"
    r"(?:-updates|-proposed-updates|-backports)?/?"
)
_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(?:\s+\S+)*)\s*"
)


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Addresses of the archives, without a slash at the end. ``security`` is "" when none is known.

    ``derived`` says that the address of the security archive was made from the other one, so it may not be there.
    ``snapshots`` has the archives as they were, in folders ``debian/20250520T000000Z``.
    """

    debian: str
    security: str = ""
    derived: bool = False
    snapshots: str = ""

    def url(self, url: str) -> str:
        """The address of ``deb:<archive>/<path>``, or of ``deb:<archive>@<time>/<path>``.

        Raises:
            LockError: No mirror of that archive is known (IW206).
        """
        archive, slash, path = url.removeprefix("deb:").partition("/")
        name, at, moment = archive.partition("@")
        if at and url.startswith("deb:") and slash:
            if not self.snapshots:
                raise LockError(
                    f"no archive is known that has Debian's packages as they were at {moment}",
                    code="IW206",
                    fix=_SNAPSHOTS_FIX,
                )
            return f"{self.snapshots}/{name}/{moment}/{path}"
        mirror = {DEBIAN: self.debian, SECURITY: self.security}.get(archive, "")
        if not url.startswith("deb:") or not slash or not mirror:
            raise LockError(f"no mirror is known for {url}", code="IW206", fix=_FIX)
        return f"{mirror}/{path}"


@dataclass(frozen=True, slots=True)
class _Source:
    uri: str
    security: bool
    signed_by: str


_FIX = (
    "imagewright build --debian-mirror http://mirror.example.com/debian (a mirror that this machine reaches)",
    'debian_mirror = "http://mirror.example.com/debian" in imagewright.toml',
)

_SNAPSHOTS_FIX = (
    "imagewright build --debian-snapshots http://snapshot.example.com/archive (the folder of debian/20250520T000000Z)",
    'debian_snapshots = "http://snapshot.example.com/archive" in imagewright.toml',
)


def mirrors_at(mirror: str) -> Mirrors:
    """The mirrors when ``mirror`` is the address of the main archive, ``http://host/debian``.

    The security archive is looked for beside it: the last part that is ``debian`` becomes ``debian-security``, which
    fits ``http://host/debian`` and the dated folders of a snapshot service.
    """
    parts = urlsplit(mirror.rstrip("/"))
    folders = parts.path.split("/")
    if DEBIAN not in folders:
        return Mirrors(mirror.rstrip("/"))
    last = len(folders) - 1 - folders[::-1].index(DEBIAN)
    folders[last] = SECURITY
    return Mirrors(mirror.rstrip("/"), urlunsplit(parts._replace(path="/".join(folders))), derived=True)


def apt_sources(folder: Path) -> tuple[tuple[str, str], ...]:
    """Names and texts of the source lists in apt's configuration folder, ``/etc/apt``; what cannot be read is left out."""
    found: list[tuple[str, str]] = []
    lists = folder / "sources.list.d"
    for path in (folder / "sources.list", *sorted(lists.glob("*.list")), *sorted(lists.glob("*.sources"))):
        try:
            found.append((path.name, path.read_text(errors="replace")))
        except OSError:
            continue
    return tuple(found)


def mirrors_of(sources: Iterable[tuple[str, str]]) -> Mirrors:
    """The mirrors that apt's source lists (name, text) tell. Source: sources.list(5) of apt 2.6.

    A list may name other archives as well: taken are those that have a Debian suite with the component main, and of
    these, first what Debian's own keyring signs and what ends as Debian's archives do. Whether it is Debian's is
    proved when its release file is read.

    Raises:
        LockError: They name no archive of Debian (IW206).
    """
    found = [source for name, text in sources for source in _sources(name, text)]
    debian = _best([source for source in found if not source.security], DEBIAN)
    security = _best([source for source in found if source.security], SECURITY)
    if not debian:
        raise LockError(
            "no mirror of Debian is known, and the default base image is made of Debian packages",
            code="IW206",
            why="this machine's apt configuration names none",
            fix=(*_FIX, 'base_image="..." to build on an image of a registry'),
        )
    return Mirrors(debian, security) if security else mirrors_at(debian)


def _best(sources: list[_Source], folder: str) -> str:
    def rank(source: _Source) -> tuple[bool, bool]:
        ours = not source.signed_by or "debian-archive" in source.signed_by
        return (not ours, folder not in urlsplit(source.uri).path.split("/"))

    best = min(sources, key=rank, default=None)
    return best.uri.rstrip("/") if best else ""


def _sources(name: str, text: str) -> Iterator[_Source]:
    entries = _deb822(text) if name.endswith(".sources") else _one_line(text)
    for uri, suite, components, signed_by in entries:
        match = SUITE.fullmatch(suite)
        if match and "main" in components and uri.startswith(("http://", "https://")):
            yield _Source(uri, bool(match["security"]), signed_by)


def _one_line(text: str) -> Iterator[tuple[str, str, list[str], str]]:
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match:
            options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
            yield match["uri"], match["suite"], match["components"].split(), options.get("signed-by", "")


def _deb822(text: str) -> Iterator[tuple[str, str, list[str], str]]:
    try:
        entries = list(paragraphs(text))
    except ValueError:
        return
    for entry in entries:
        entry = {name.lower(): value for name, value in entry.items()}
        if "deb" not in entry.get("types", "").split() or entry.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        for uri in entry.get("uris", "").split():
            for suite in entry.get("suites", "").split():
                yield uri, suite, entry.get("components", "").split(), entry.get("signed-by", "")
