"""PEP 751 locks: read what uv wrote, choose one wheel for each package, write the lock that stays with the image."""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from os.path import normpath, relpath
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import tomli_w
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
)
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename

from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, LockError, SpecError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, hex_of, parse_digest
from imagewright.packages.pypi.allowed import Allowed, keep_allowed
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.pylock_tags import environment, wheel_tags
from imagewright.packages.pypi.requirements_file import from_source
from imagewright.packages.pypi.selection import Selection
from imagewright.packages.pypi.source import Source
from imagewright.packages.target import Target

Pin = Callable[[str, Digest | None], InputFile]
"""Finds out what a lock leaves open: the size, and without a digest that too, of the file at a URL."""


@dataclass(frozen=True, slots=True, order=True)
class ChosenWheel:
    """A wheel that a lock names for the target. ``digest`` and ``size`` are None where the lock does not say.

    With a ``source`` there is no wheel, and no ``url``: it is to be built.
    """

    name: str
    version: str
    url: str
    digest: Digest | None
    size: int | None
    source: Source | None = None


def choose_wheels(
    text: str,
    target: Target,
    *,
    directory: Path,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    allowed: Mapping[str, Allowed] = MappingProxyType({}),
    may_build: Callable[[str], bool] = lambda name: False,
    forbidden_by: str = "",
    root: Path | None = None,
) -> tuple[ChosenWheel, ...]:
    """The wheels that the lock ``text`` gives the target, by name. Paths in it are relative to ``directory``.

    ``selection`` names extras and groups of the lock. Wheels that ``allowed`` does not let in are passed over.
    What has no wheel is given as its source where ``may_build`` says yes to its name; else ``forbidden_by`` forbids it.
    Folders are named as seen from ``root``.

    Raises:
        LockError: It is not a lock, is for another environment, or a package has no wheel for the target.
    """
    try:
        document = tomllib.loads(text)
        if isinstance(packages := document.get("packages"), list) and allowed:
            keep_allowed(packages, allowed)
        lock = Pylock.from_dict(document)
        chosen = list(
            lock.select(
                environment=environment(target),
                tags=wheel_tags(target),
                extras=_extras(lock, selection),
                dependency_groups=_groups(lock, selection),
            )
        )
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
        raise LockError("the lock is not a pylock.toml file", code="IW202", why=str(error)) from error
    except PylockSelectError as error:
        raise LockError(
            f"the lock does not fit Python {target.python} on {target.platform}", code="IW203", why=str(error)
        ) from error
    found = []
    for package, file in chosen:
        wheel = _chosen(package, file, directory, root or directory)
        if wheel.source is not None and not may_build(wheel.name):
            raise _not_built(wheel, wheel.source, target, forbidden_by)
        found.append(wheel)
    return tuple(sorted(found, key=lambda wheel: (wheel.name, wheel.version, wheel.url)))


def pin_wheels(chosen: Iterable[ChosenWheel], pin: Pin) -> tuple[LockedWheel, ...]:
    """The wheels as pinned files; ``pin`` is asked where the digest or the size is not known.

    Raises:
        IntegrityError: A file is another one than the lock says.
    """
    return tuple(LockedWheel(wheel.name, wheel.version, _pinned(wheel, pin)) for wheel in chosen)


def _pinned(wheel: ChosenWheel, pin: Pin) -> InputFile:
    if wheel.digest is not None and wheel.size is not None:
        return InputFile(wheel.url, wheel.digest, wheel.size)
    file = pin(wheel.url, wheel.digest)
    if wheel.digest not in (None, file.digest):
        raise IntegrityError(
            f"{unquote(urlsplit(wheel.url).path).rpartition('/')[2]} is not the file that was locked",
            why=[f"expected {wheel.digest}", f"it is    {file.digest}"],
            fix="if it was changed on purpose, write the lock again",
        )
    return file


def write_lock(wheels: Sequence[LockedWheel], target: Target) -> str:
    """The lock of these wheels for one target, as pylock.toml. Equal wheels give equal text."""
    machine = environment(target)["platform_machine"]
    marker = f"python_version == '{target.python}' and sys_platform == 'linux' and platform_machine == '{machine}'"
    packages = [_package(wheel) for wheel in sorted(wheels)]
    return tomli_w.dumps(
        {
            "lock-version": "1.0",
            "environments": [marker],
            "requires-python": f"=={target.python}.*",
            "created-by": "imagewright",
            "packages": packages,
        }
    )


def _package(wheel: LockedWheel) -> dict[str, Any]:
    """The table of a package. One that was built stands there as its source, which other installers build themselves."""
    file, source = wheel.file, wheel.source
    named = {"name": wheel.name, "version": wheel.version}
    if source is None:
        return {**named, "wheels": [{"url": file.url, "size": file.size, "hashes": {"sha256": hex_of(file.digest)}}]}
    subdirectory = {"subdirectory": source.subdirectory} if source.subdirectory else {}
    place: dict[str, Any]
    if source.kind == "git":
        asked = {"requested-revision": source.revision} if source.revision else {}
        place = {"vcs": {"type": "git", "url": source.url, **asked, "commit-id": source.commit, **subdirectory}}
    elif source.kind == "folder":
        # Seen from the lock file, which lies in a folder of its own beside the code.
        place = {"directory": {"path": normpath(f"../{source.url}"), **subdirectory}}
    else:
        hashes = {"sha256": hex_of(source.digest or "")}
        place = {"archive": {"url": source.url, "hashes": hashes, **subdirectory}}
    built = {"wheel": wheel.filename, "size": file.size, "sha256": hex_of(file.digest), "source": source.to_json()}
    return {**named, **place, "tool": {"imagewright": built}}


def read_package(package: Mapping[str, Any]) -> LockedWheel:
    """The wheel of a package's table, as `write_lock` writes it.

    Raises:
        KeyError, TypeError, ValueError: It is something else.
    """
    name, version = package["name"], package["version"]
    if "wheels" in package:
        (wheel,) = package["wheels"]
        return LockedWheel(
            name, version, InputFile(wheel["url"], parse_digest(f"sha256:{wheel['hashes']['sha256']}"), wheel["size"])
        )
    built = package["tool"]["imagewright"]
    file = InputFile(f"built:{built['wheel']}", parse_digest(f"sha256:{built['sha256']}"), built["size"])
    return LockedWheel(name, version, file, Source.from_json(built["source"], name=name, version=version))


def without_userinfo(url: str) -> str:
    """``url`` without a user and password: what may be stored."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def file_url(path: Path) -> str:
    """The ``file:`` URL of an absolute path."""
    return "file://" + quote(str(path))


def _extras(lock: Pylock, selection: Selection) -> list[str]:
    known = {canonicalize_name(name) for name in lock.extras or ()}
    wanted = known if selection.all_extras else {canonicalize_name(name) for name in selection.extras}
    return _known("extra", wanted, known)


def _groups(lock: Pylock, selection: Selection) -> list[str]:
    known = {canonicalize_name(name) for name in lock.dependency_groups or ()}
    default = {canonicalize_name(name) for name in lock.default_groups or ()}
    known |= default
    wanted = known if selection.all_groups else default | {canonicalize_name(name) for name in selection.groups}
    return _known("group", wanted - {canonicalize_name(name) for name in selection.without_groups}, known)


def _known(what: str, wanted: set[NormalizedName], known: set[NormalizedName]) -> list[str]:
    if unknown := sorted(wanted - known):
        raise SpecError(f"pip_extra_args: the lock has no {what} {unknown[0]!r}")
    return sorted(wanted)


def _chosen(
    package: Package,
    file: PackageVcs | PackageDirectory | PackageArchive | PackageWheel | PackageSdist,
    directory: Path,
    root: Path,
) -> ChosenWheel:
    name = canonicalize_name(package.name)
    version = str(package.version) if package.version is not None else ""
    source: Source | None = None
    match file:
        case PackageWheel():
            url = _url(file.url, file.path, directory)
        case PackageArchive():
            url = _url(file.url, file.path, directory)
            version = _version_in(url) or version
            if not url.endswith(".whl"):
                source = Source("sdist", url, _digest(file.hashes), subdirectory=file.subdirectory or "")
        case PackageSdist():
            source = Source("sdist", _url(file.url, file.path, directory), _digest(file.hashes))
        case PackageDirectory():
            source = local_folder(directory / file.path, root, file.subdirectory or "")
        case PackageVcs():
            if file.type != "git":
                raise from_source(name, f"a {file.type} repository")
            url = without_userinfo(file.url or _url(None, file.path, directory))
            source = Source(
                "git", url, revision=file.requested_revision or "", commit=file.commit_id,
                subdirectory=file.subdirectory or "",
            )  # fmt: skip
    if source is not None:
        return ChosenWheel(name, version, "", None, None, source.called(name, version))
    digest, size = (file.hashes, file.size) if not isinstance(file, (PackageDirectory, PackageVcs)) else ({}, None)
    return ChosenWheel(name, version, url, _digest(digest), size)


def local_folder(path: Path, root: Path, subdirectory: str = "") -> Source:
    """The source that is a folder, named as seen from ``root``."""
    return Source("folder", Path(relpath(path, root)).as_posix(), subdirectory=subdirectory)


def _not_built(wheel: ChosenWheel, source: Source, target: Target, forbidden_by: str) -> LockError:
    if source.kind == "sdist" and wheel.version:
        return LockError(
            f"{wheel.name} {wheel.version} has no wheel for Python {target.python} on {target.system} (source only)",
            code="IW203",
            why=[f"{forbidden_by} allows wheels only"] if forbidden_by else [],
            fix=[f"without {forbidden_by} it is built"] if forbidden_by else [],
        )
    words = {"sdist": "an sdist", "git": "a git repository", "folder": f"the folder {source.url}"}[source.kind]
    return from_source(wheel.name, words, by=forbidden_by)


def _url(url: str | None, path: str | None, directory: Path) -> str:
    if url is None:
        return file_url(Path(normpath(directory / (path or ""))))
    return without_userinfo(url).partition("#")[0]


def _version_in(url: str) -> str:
    try:
        return str(parse_wheel_filename(unquote(urlsplit(url).path).rpartition("/")[2])[1])
    except InvalidWheelFilename:
        return ""


def _digest(hashes: Mapping[str, str]) -> Digest | None:
    value = hashes.get("sha256")
    return Digest(f"sha256:{value.lower()}") if value else None
