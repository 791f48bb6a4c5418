"""``apt_packages``: which Debian packages they add to a base, pinned."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from imagewright.errors import LockError
from imagewright.events import Listener, nobody
from imagewright.packages.deb.apt import Wanted, wanted_of
from imagewright.packages.deb.index import Package, Universe
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.deb.relation import Alternatives
from imagewright.packages.deb.release import Archive
from imagewright.packages.deb.releases import ARCHITECTURES, release_named
from imagewright.packages.deb.resolve import ask, base_names, locked
from imagewright.packages.deb.solve import solve
from imagewright.packages.deb.version import version_key


def resolve_apt(
    base: LockedBase, wanted: Sequence[str], place: Archive, *, listen: Listener = nobody
) -> tuple[LockedDeb, ...]:
    """The packages, pinned, that ``apt-get install --no-install-recommends`` adds to ``base`` for these names.

    A name may have a version (``git=1:2.39.*``) or a suite (``git/bookworm-backports``). Nothing is asked of the mirror
    beyond what the base needed, but for suites that are named.

    Raises:
        LockError: There is no such package, version or suite, or they do not fit together (IW206); a form of name that
            is not known (IW204).
    """
    release = release_named(base.release)
    architecture = ARCHITECTURES[base.platform.architecture]
    have = [deb.name for deb in base.debs]
    texts = [wanted_of(text) for text in wanted]

    def solved(universe: Universe) -> tuple[Package, ...]:
        pins = _pins(universe, base, texts)
        names = [one.name for one in texts]
        return solve(universe.pinned(pins), (*base_names(universe, release), *have, *names))

    suites = sorted({one.suite for one in texts if one.suite})
    found = ask(release, architecture, place, solved, listen, others=suites)
    return tuple(locked(package) for package in found if package.name not in have)


def _pins(universe: Universe, base: LockedBase, wanted: Sequence[Wanted]) -> dict[str, str]:
    """The versions that the base or the names themselves fix."""
    pins = {deb.name: deb.version for deb in base.debs}
    for deb in base.debs:
        if not any(package.version == deb.version for package in universe.versions(deb.name)):
            raise LockError(
                f"the base image has {deb.name} {deb.version}, which Debian's archive does not have any more",
                code="IW206",
                why="the base was pinned earlier, and packages have to fit to it",
                fix="imagewright build --upgrade FILE pins the base anew",
            )
    for one in wanted:
        if one.version:
            pins[one.name] = _version(universe, one.name, one.version, pins.get(one.name))
        elif one.suite:
            _pin_suite(universe, one, pins)
        elif universe.candidate(one.name) is None and not universe.providers(one.name):
            raise _unknown(universe, one.name, base.release)
    return pins


def _pin_suite(universe: Universe, one: Wanted, pins: dict[str, str]) -> None:
    """Pin a package to what its suite has, and of what that needs all that the other suites cannot give.

    Source: apt 2.6, pkgDepCache::SetCandidateRelease.
    """
    package = universe.of_suite(one.suite, one.name)
    if package is None:
        elsewhere = universe.candidate(one.name)
        raise LockError(
            f"Debian's {one.suite} has no package {one.name!r}",
            code="IW206",
            why=f"it is elsewhere, in version {elsewhere.version}" if elsewhere else "nor has any other suite",
            fix=f'"{one.name}"' if elsewhere else (),
        )
    if pins.get(one.name) not in (None, package.version):
        raise _replaced(one.name, pins[one.name], package.version)
    pins[one.name] = package.version
    waiting = [package]
    while waiting:
        for group in waiting.pop().depends:
            found = _only_there(universe.pinned(pins), one.suite, group)
            if found is not None and found.name not in pins:
                pins[found.name] = found.version
                waiting.append(found)


def _only_there(universe: Universe, suite: str, group: Alternatives) -> Package | None:
    """What meets a dependency in a suite, when nothing does elsewhere."""
    for relation in group:
        own = universe.candidate(relation.name)
        if own is not None and relation.allows(own.version):
            return None
        if any(package.answers(relation) for package in universe.providers(relation.name)):
            return None
    for relation in group:
        found = universe.of_suite(suite, relation.name)
        if found is not None and relation.allows(found.version):
            return found
    return None


def _version(universe: Universe, name: str, wanted: str, has: str | None) -> str:
    known = sorted({package.version for package in universe.versions(name)}, key=version_key)
    fitting = [version for version in known if version == wanted or fnmatchcase(version, wanted)]
    if not fitting:
        raise LockError(
            f"Debian has no package {name!r} of version {wanted}",
            code="IW206",
            why=f"the suites that were read have {', '.join(known) or 'no package of that name'}",
            fix=f'"{name}={known[-1]}"' if known else (),
        )
    if has is not None and has not in fitting:
        raise _replaced(name, has, wanted)
    return has or fitting[-1]


def _replaced(name: str, has: str, wanted: str) -> LockError:
    return LockError(
        f"the base image has {name} {has}, not {wanted}",
        code="IW206",
        why="packages of the base image cannot be replaced by older or other ones",
        fix=f'"{name}"',
    )


def _unknown(universe: Universe, name: str, release: str) -> LockError:
    return unknown_package(name, f"in {release}", universe.names())


def unknown_package(name: str, where: str, names: Sequence[str]) -> LockError:
    """The error of a name that no index has, with the nearest ones that they have."""
    near = get_close_matches(name, names, n=3, cutoff=0.75)
    return LockError(
        f"there is no Debian package {name!r} {where}",
        code="IW206",
        why="no suite that was read lists it",
        fix=f"did you mean {' or '.join(map(repr, near))}?"
        if near
        else "apt-cache search WORD   (on a machine of that release)",
    )
