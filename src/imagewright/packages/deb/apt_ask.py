"""What an image's own apt is asked in a sandbox: which packages, from where, it would install; and how its answer is read."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from imagewright.dataclass import dataclass
from imagewright.errors import LockError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import parse_digest
from imagewright.packages.deb.apt import wanted_of
from imagewright.packages.deb.apt_resolve import unknown_package
from imagewright.packages.deb.control import paragraphs
from imagewright.packages.deb.locked import LockedDeb

SOURCES = "base.sources"
SCRIPT, CONF = "ask.sh", "apt.conf"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}

_MARK = "@@imagewright "
# Names become names of files: an image may be anybody's.
_URI = re.compile(
    r"'(?P<url>[^']+)' (?P<name>[a-z0-9][a-z0-9+.-]+)_(?P<version>[A-Za-z0-9.+~%-]+)_(?P<architecture>[a-z0-9-]+)\.deb"
    r" (?P<size>[0-9]+) ?\S*"
)
_LOCATE = re.compile(
    r"E: Unable to locate package (?P<name>\S+)|E: Package '(?P<none>[^']+)' has no installation candidate"
)
_VERSION = re.compile(r"E: Version '(?P<version>[^']+)' for '(?P<name>[^']+)' was not found")
_RELEASE = re.compile(r"E: Release '(?P<suite>[^']+)' for '(?P<name>[^']+)' was not found")
_FAILED = re.compile(r"(?:E|W): (?:Failed to fetch|The repository|GPG error|An error occurred|Some index files).*")


@dataclass(frozen=True, slots=True)
class Question:
    """Texts for a sandbox: the script ``SCRIPT``, apt's configuration ``CONF``, and sources where there are other ones."""

    texts: tuple[tuple[str, str], ...]


def question(wanted: Sequence[str], folder: str, scratch: str, *, sources: str, update: bool) -> Question:
    """Ask for ``wanted``. ``folder`` is where the texts are in the sandbox, ``scratch`` keeps apt's lists for the next time.

    ``sources`` is a ``.sources`` file that stands in for the image's own lists; "" leaves these. ``update`` has the lists
    brought up to date.
    """
    conf = [
        'APT::Sandbox::User "root";',
        f'Dir::State::lists "{scratch}/lists";',
        f'Dir::Cache "{scratch}/cache";',
        'Dir::Cache::pkgcache "";',
        'Dir::Cache::srcpkgcache "";',
        'Acquire::Languages "none";',
        # Every suite counts: without one of them the answer would be another.
        'APT::Update::Error-Mode "any";',
        'Acquire::Retries "2";',
    ]
    if sources:
        conf += [
            'Dir::Etc::sourcelist "/dev/null";',
            f'Dir::Etc::sourceparts "{folder}";',
            'Acquire::Check-Valid-Until "false";',
        ]
    names = " ".join(f"'{text}'" for text in wanted)
    plain = " ".join(f"'{wanted_of(text).name}'" for text in wanted)
    script = [
        f"say() {{ printf '{_MARK}%s\\n' \"$1\"; }}",
        f"mkdir -p {scratch}/lists/partial {scratch}/cache/archives/partial",
        *(["say update", "apt-get -q update 2>&1 || say 'update failed'"] if update else []),
        "say plan",
        f"if apt-get -qy --no-install-recommends --print-uris install {names} > {scratch}/plan 2> {scratch}/said; then",
        f"  cat {scratch}/plan",
        "  say show",
        f"  sed -n \"s/^'[^']*' \\([^_]*\\)_\\([^_]*\\)_[^_]*\\.deb .*/\\1=\\2/p\" {scratch}/plan | sed 's/%3a/:/g' > {scratch}/named",
        f"  xargs -r apt-cache show --no-all-versions < {scratch}/named",
        "else",
        "  say failed",
        f"  cat {scratch}/plan {scratch}/said",
        "  say versions",
        f"  apt-cache madison {plain} 2>/dev/null",
        "  say names",
        "  apt-cache pkgnames",
        "fi",
        "say end",
    ]
    texts = [(SCRIPT, "\n".join([*script, ""])), (CONF, "\n".join([*conf, ""]))]
    return Question((*texts, *([(SOURCES, sources)] if sources else [])))


def answer(lines: Sequence[str], wanted: Sequence[str], base: str) -> tuple[LockedDeb, ...]:
    """The packages that apt would fetch, pinned, from what the script wrote to stdout; ``base`` names the image.

    Raises:
        LockError: An archive cannot be asked, or apt says that it cannot be: no such package, version or suite; packages
            that do not fit together; addresses that cannot be asked from here (all IW206).
    """
    parts = dict(_parts(lines))
    failed = [line for line in parts.get("update", []) if _FAILED.fullmatch(line)]
    for one in map(wanted_of, wanted):
        if one.suite and any(f" {one.suite} Release' does not have a Release file" in line for line in failed):
            raise LockError(
                f"the archive of the base image {base} has no suite {one.suite!r} for {one.name!r}",
                code="IW206",
                why=failed[:2],
                fix=f'"{one.name}"',
            )
    if "update failed" in parts or failed:
        raise LockError(
            f"the archives that the base image {base} names in /etc/apt cannot be asked",
            code="IW206",
            why=failed[-4:] or parts.get("update", [])[-4:],
            fix=[
                "try again; or, for Debian's own archive, --debian-mirror http://mirror.example.com/debian",
                "an image whose /etc/apt names archives that this machine reaches",
            ],
        )
    if "failed" in parts:
        raise _refused(parts, wanted, base)
    if "end" not in parts:
        raise LockError(f"apt of the base image {base} gave no answer", code="IW206", why=list(lines[-4:]))
    shown = {
        (said.get("Package", ""), said.get("Version", "")): said
        for said in paragraphs("\n".join(parts.get("show", [])))
    }
    return tuple(sorted(_locked(match, shown, base) for match in _uris(parts.get("plan", []), base)))


def _parts(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    name, part = "", list[str]()
    for line in lines:
        if line.startswith(_MARK):
            yield name, part
            name, part = line.removeprefix(_MARK), []
        else:
            part.append(line)
    yield name, part


def _uris(lines: Sequence[str], base: str) -> Iterator[re.Match[str]]:
    for line in lines:
        match = _URI.fullmatch(line.strip())
        if match is None:
            if line.startswith("'"):
                raise LockError(f"what apt of the base image {base} says cannot be read", code="IW206", why=line)
            continue
        if not match["url"].startswith(("http://", "https://")):
            raise LockError(
                f"the base image {base} takes {match['name']} from {match['url'].partition(':')[0]}:, not from a server",
                code="IW206",
                why=match["url"],
                fix="an image whose /etc/apt names archives by http or https",
            )
        yield match


def _locked(match: re.Match[str], shown: dict[tuple[str, str], dict[str, str]], base: str) -> LockedDeb:
    name, version = match["name"], unquote(match["version"])
    digest = shown.get((name, version), {}).get("SHA256", "")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise LockError(
            f"the archive of the base image {base} says no SHA256 of {name} {version}", code="IW206", why=match["url"]
        )
    scheme, _, rest = match["url"].partition("://")
    host, slash, path = rest.partition("/")
    url = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    file = InputFile(url, parse_digest(f"sha256:{digest}"), int(match["size"]))
    return LockedDeb(name, version, match["architecture"], file)


def _refused(parts: dict[str, list[str]], wanted: Sequence[str], base: str) -> LockError:
    said = [line for line in parts["failed"] if line.strip() and not line.startswith("W: ")]
    for line in said:
        if match := _LOCATE.match(line):
            return unknown_package(match["name"] or match["none"], f"for the base image {base}", parts.get("names", []))
        if match := _VERSION.match(line):
            known = _versions(parts, match["name"])
            return LockError(
                f"there is no Debian package {match['name']!r} of version {match['version']} for the base image {base}",
                code="IW206",
                why=f"its archives have {', '.join(known) or 'no package of that name'}",
                fix=f'"{match["name"]}={known[0]}"' if known else (),
            )
        if match := _RELEASE.match(line):
            known = _versions(parts, match["name"])
            return LockError(
                f"the base image {base} knows no suite {match['suite']!r} that has {match['name']!r}",
                code="IW206",
                why=f"its archives have {', '.join(known) or 'no package of that name'}",
                fix=f'"{match["name"]}"' if known else (),
            )
    unmet = [line.strip() for line in said if line.startswith(" ")]
    return LockError(
        f"apt cannot install {', '.join(wanted)} on the base image {base}",
        code="IW206",
        why=(unmet or said)[-6:],
        fix="leave out the version or suite of one, or take a newer image as base_image",
    )


def _versions(parts: dict[str, list[str]], name: str) -> list[str]:
    """The versions that apt-cache madison lists, newest first."""
    rows = [[cell.strip() for cell in line.split("|")] for line in parts.get("versions", [])]
    return list(dict.fromkeys(row[1] for row in rows if len(row) > 2 and row[0] == name))
