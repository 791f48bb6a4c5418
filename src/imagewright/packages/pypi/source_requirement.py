"""A requirement that names a source: a folder (also with ``-e``), an sdist by its path or URL, a git repository."""

import os
import re
from collections.abc import Mapping
from os.path import normpath
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, SpecError, Where
from imagewright.oci.digest import Digest, parse_digest
from imagewright.packages.pypi.requirements_file import from_source, source_in
from imagewright.packages.pypi.source import Source

_EDITABLE = re.compile(r"(?:-e|--editable)[\s=]*")
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<extras>\[[^\]]*\])?\s*@\s*(?P<place>.+)")
_ENDS_IN_EXTRAS = re.compile(r"(?P<place>.+?)(?P<extras>\[[^\]/]*\])")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class SourceRequirement:
    """The source, the extras that are wanted of it (``[a,b]`` or ""), and the marker under which."""

    source: Source
    extras: str = ""
    marker: str = ""


def source_requirement(
    text: str, folder: Path, root: Path, environ: Mapping[str, str], *, where: Where | None = None
) -> SourceRequirement | None:
    """The source that ``text`` (a requirement, or a line with ``-e``) names, or None when it names none.

    Relative paths are relative to ``folder``; the source's own is relative to ``root``. Installing in place has no
    meaning in an image, so ``-e`` is read over.

    Raises:
        LockError: It is a repository that is not git's (IW204).
        SpecError: It cannot be understood.
    """
    kind = source_in(text)
    if not kind:
        return None
    plain = _VARIABLE.sub(lambda match: environ.get(match["name"], match[0]), text)
    plain = _EDITABLE.sub("", re.split(r"\s+--", plain, maxsplit=1)[0], count=1).strip()
    place, _, marker = re.split(r"(\s+;|;\s)", plain, maxsplit=1) if re.search(r"\s;|;\s", plain) else (plain, "", "")
    name = extras = ""
    if named := _NAMED.fullmatch(place.strip()):
        name, extras, place = named["name"], named["extras"] or "", named["place"]
    place, _, fragment = place.strip().partition("#")
    if not name and (ends := _ENDS_IN_EXTRAS.fullmatch(place)):
        place, extras = ends["place"], ends["extras"]
    values = {key: value[-1] for key, value in parse_qs(fragment).items()}
    subdirectory = values.get("subdirectory", "").strip("/")
    if subdirectory.startswith("..") or "/../" in f"/{subdirectory}/":
        raise SpecError(f"{text}: the subdirectory leads out of the source", where=where)
    if not name:
        name, bracket, rest = values.get("egg", "").partition("[")
        extras = extras or f"{bracket}{rest}"
    if place.startswith(("hg+", "svn+", "bzr+")):
        raise from_source(text, kind, where=where)
    if place.startswith("git+"):
        source = git_source(place.removeprefix("git+"))
    elif "://" in place and not place.startswith("file://"):
        source = Source("sdist", _without_login(place), _digest(values), login_url=place)
    else:
        local = unquote(urlsplit(place).path) if place.startswith("file:") else place
        source = local_source(Path(normpath(folder / local)), root)
    called = Source(
        source.kind, source.url, source.digest, source.revision,
        subdirectory=subdirectory, name=name, login_url=source.login_url,
    )  # fmt: skip
    return SourceRequirement(called, extras, marker.strip())


def local_source(path: Path, root: Path) -> Source:
    """The source at an absolute path: a folder, named as seen from ``root``, or an archive."""
    if path.is_dir():
        return Source("folder", Path(os.path.relpath(path, root)).as_posix())
    if not path.is_file():
        raise LockError(f"there is no folder and no archive {path}", code="IW205", fix="correct the path")
    return Source("sdist", path.as_uri())


def git_source(url: str) -> Source:
    """The source of a repository's URL with a revision behind ``@``, as pip has it: ``https://host/repo.git@v1``."""
    parts = urlsplit(url)
    path, at, revision = parts.path.rpartition("@")
    plain = parts._replace(path=path if at else parts.path).geturl()
    if revision.startswith("-") or plain.startswith("-"):
        raise SpecError(f"git+{_without_login(url)} is not a repository's URL")
    return Source("git", _without_login(plain), revision=revision if at else "", login_url=plain)


def _without_login(url: str) -> str:
    """A URL that may be stored. ``ssh://git@host`` keeps its user: it says how to ask, and is no secret."""
    parts = urlsplit(url)
    if "@" not in parts.netloc or (parts.scheme == "ssh" and ":" not in parts.netloc.rpartition("@")[0]):
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _digest(values: Mapping[str, str]) -> Digest | None:
    text = unquote(values.get("sha256", ""))
    try:
        return parse_digest(f"sha256:{text.lower()}") if text else None
    except ValueError:
        return None
