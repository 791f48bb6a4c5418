"""``apt_packages``: which Debian packages they add to a base, pinned."""

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from imagewright.errors import LockError
from imagewright.events import Listener, nobody
from imagewright.packages.deb.index import Package, Universe
from imagewright.packages.deb.locked import LockedBase, LockedDeb
from imagewright.packages.deb.release import Archive
from imagewright.packages.deb.releases import ARCHITECTURES, release_named
from imagewright.packages.deb.resolve import ask, base_names, locked
from imagewright.packages.deb.solve import solve
from imagewright.packages.deb.version import version_key


def resolve_apt(
    base: LockedBase, wanted: Sequence[str], place: Archive, *, listen: Listener = nobody
) -> tuple[LockedDeb, ...]:
    """The packages, pinned, that ``apt-get install --no-install-recommends`` adds to ``base`` for these names.

    A name may have a version (``git=1:2.39.*``). Nothing is asked of the mirror beyond what the base needed.

    Raises:
        LockError: There is no such package or version, or they do not fit together (IW206); a form of name that is not
            known (IW204).
    """
    release = release_named(base.release)
    architecture = ARCHITECTURES[base.platform.architecture]
    have = [deb.name for deb in base.debs]

    def solved(universe: Universe) -> tuple[Package, ...]:
        names, pins = _named(universe, base, wanted)
        return solve(universe.pinned(pins), (*base_names(universe, release), *have, *names))

    found = ask(release, architecture, place, solved, listen)
    return tuple(locked(package) for package in found if package.name not in have)


def _named(universe: Universe, base: LockedBase, wanted: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The names, and the versions that the base or the names themselves fix."""
    names: list[str] = []
    pins = {deb.name: deb.version for deb in base.debs}
    for text in wanted:
        name, _, version = text.partition("=")
        if "/" in name or ":" in name or "*" in name:
            raise LockError(
                f"apt_packages has {text!r}, and only a name or name=version is known",
                code="IW204",
                fix=f'"{name.partition("/")[0].partition(":")[0].strip("*")}"',
            )
        if version:
            pins[name] = _version(universe, name, version, pins.get(name))
        elif universe.candidate(name) is None and not universe.providers(name):
            raise _unknown(universe, name, base.release)
        names.append(name)
    return names, pins


def _version(universe: Universe, name: str, wanted: str, has: str | None) -> str:
    known = sorted((package.version for package in universe.versions(name)), key=version_key)
    fitting = [version for version in known if version == wanted or fnmatchcase(version, wanted)]
    if not fitting:
        raise LockError(
            f"Debian has no package {name!r} of version {wanted}",
            code="IW206",
            why=f"the suites that were read have {', '.join(known) or 'no package of that name'}",
            fix=f'"{name}={known[-1]}"' if known else (),
        )
    if has is not None and has not in fitting:
        raise LockError(
            f"the base image has {name} {has}, not {wanted}",
            code="IW206",
            why="packages of the base image cannot be replaced by older or other ones",
            fix=f'"{name}"',
        )
    return has or fitting[-1]


def _unknown(universe: Universe, name: str, release: str) -> LockError:
    near = get_close_matches(name, universe.names(), n=1, cutoff=0.75)
    return LockError(
        f"there is no Debian package {name!r} in {release}",
        code="IW206",
        why="no suite that was read lists it",
        fix=f"did you mean {near[0]!r}?" if near else "apt-cache search WORD   (on a machine of that release)",
    )
