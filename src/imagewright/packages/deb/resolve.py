"""A Python version and a platform -> the packages of the default base image, pinned."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from imagewright.errors import LockError
from imagewright.events import Listener, Noted, nobody
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import parse_digest
from imagewright.oci.platform import Platform
from imagewright.packages.deb.index import DamagedIndex, Index, Package, Universe, index_path
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.deb.mirror import DEBIAN, SECURITY
from imagewright.packages.deb.release import Archive, ReleaseFile, release_file
from imagewright.packages.deb.releases import ARCHITECTURES, COMMON, Release, release_for
from imagewright.packages.deb.solve import solve
from imagewright.parallel import run_all

T = TypeVar("T")


def resolve_base(python: str, platform: Platform, place: Archive, *, listen: Listener = nobody) -> LockedBase:
    """The default base image for ``python`` (``3.11``) on ``platform``: the newest packages of its Debian release.

    With indexes in the cache that are new enough, nothing is asked and it takes some 30 ms; else one request for each
    suite, and for each index that has changed.

    Raises:
        LockError: No Debian release has that Python (IW204); no mirror, release or package (IW206); offline (IW205).
        IntegrityError: A signature or digest is wrong (IW511, IW510).
        NetworkError: The mirror does not answer.
    """
    release = release_for(python)
    architecture = ARCHITECTURES.get(platform.architecture)
    if platform.os != "linux" or architecture is None or platform.variant:
        raise LockError(
            f"the default base image cannot be made for {platform}",
            code="IW204",
            why=f"it is made for {' and '.join(f'linux/{name}' for name in sorted(ARCHITECTURES))}",
            fix='base_image="...", an image of a registry that has this platform',
        )
    packages = ask(
        release, architecture, place, lambda universe: solve(universe, base_names(universe, release)), listen
    )
    return LockedBase(release.codename, python, platform, tuple(map(locked, packages)))


def base_names(universe: Universe, release: Release) -> tuple[str, ...]:
    """What a base of this release is asked to have, in the order in which it is chosen."""
    essential = tuple(package.name for package in universe.essential())
    return (*release.first, *essential, *COMMON, *release.extra)


def ask(
    release: Release,
    architecture: str,
    place: Archive,
    question: Callable[[Universe], T],
    listen: Listener = nobody,
    *,
    others: Sequence[str] = (),
) -> T:
    """What ``question`` answers about the packages of a release with its updates and security fixes.

    ``others`` are further suites, of which only what is asked for by name counts. It is asked again when an index turns out to be damaged, which is then made anew.

    Raises:
        LockError, IntegrityError, NetworkError: As `resolve_base` does.
    """
    for last in (False, False, False, True):  # each of the suites may have a damaged index
        try:
            with _universe(release, architecture, place, others, listen) as universe:
                return question(universe)
        except DamagedIndex as error:
            if last:
                raise
            listen(Noted(f"{error.what}: it is made anew"))
    raise AssertionError("the last one returns or raises")


@contextmanager
def _universe(
    release: Release, architecture: str, place: Archive, others: Sequence[str], listen: Listener
) -> Iterator[Universe]:
    debian, security = place.archive(DEBIAN), place.archive(SECURITY)
    own = {release.codename: False, f"{release.codename}-updates": True}
    suites = [(debian, name, release.codename, optional) for name, optional in own.items()]
    if place.mirrors.security or place.snapshot:
        optional = place.mirrors.derived or release.testing or bool(place.snapshot)
        own[f"{release.codename}-security"] = optional
        suites.append((security, f"{release.codename}-security", release.codename, optional))
    more = [name for name in others if name not in own]
    suites += [(security if name.endswith("-security") else debian, name, "", True) for name in more]

    def read(suite: tuple[str, str, str, bool]) -> tuple[ReleaseFile, Path] | None:
        archive, name, codename, optional = suite
        found = release_file(place, archive, name, codename=codename, optional=optional)
        if found is None and name in more:
            raise LockError(
                f"Debian has no suite {name!r}",
                code="IW206",
                why=f"the archive that was asked says so; read were {', '.join(own)}",
                fix=f'"/{release.codename}-backports" is that of backports',
            )
        return (found, index_path(place, found, architecture)) if found else None

    found = [pair for pair in run_all(read, suites, jobs=len(suites)) if pair]
    late = [file.suite for file, _ in found if 0 < file.valid_until < place.now()]
    if late and not place.snapshot:
        listen(Noted(f"Debian's {', '.join(late)}: past their own Valid-Until date, so the mirror is frozen or old"))
    indexes = [Index(file.archive, path, file.suite) for file, path in found]
    try:
        yield Universe(
            [index for index in indexes if index.suite in own],
            others=[index for index in indexes if index.suite not in own],
        )
    finally:
        for index in indexes:
            index.close()


def locked(package: Package) -> LockedDeb:
    """A package of an index, pinned."""
    said = package.said
    file = InputFile(
        f"deb:{package.archive}/{said['Filename']}", parse_digest(f"sha256:{said['SHA256']}"), int(said["Size"])
    )
    return LockedDeb(package.name, package.version, said["Architecture"], file)
