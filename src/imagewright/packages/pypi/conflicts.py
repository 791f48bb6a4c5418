"""No two wheels may write one path with different bytes: found before anything is written."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from imagewright.layer.planned import Inputs
from imagewright.packages.overwriting import NOBODY, Conflict, Overwriting, refusal
from imagewright.packages.pypi.install import Placement, installed_files
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.members import file_and_folder, read_member
from imagewright.packages.pypi.members_archive import Archive, Member, open_archive
from imagewright.packages.pypi.members_directory import list_names
from imagewright.packages.pypi.namespaces import declaration
from imagewright.packages.pypi.scripts import commands
from imagewright.packages.pypi.wheel import Recorded, folders, open_wheel
from imagewright.packages.target import Target

Meaning = Callable[[str], str | None]
"""What the file at a path does, where other bytes could do the same: a namespace's declaration. Else None."""


class Claims:
    """Which wheel writes which path, and what."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, Recorded | None, Meaning]] = {}
        self._folders: dict[str, str] = {}

    def take(
        self, wheel: str, path: str, recorded: Recorded | None, meaning: Meaning, *, overwrite: bool = False
    ) -> bool:
        """Whether the path was free; False when it has the same content already, or declares the same namespace.

        With ``overwrite`` it is free unless others have a folder there.

        Raises:
            Conflict: IW207: another wheel has something else there.
        """
        before = None if overwrite else self._files.get(path)
        if before is not None:
            if (recorded is None or before[1] != recorded) and (
                (means := meaning(path)) is None or means != before[2](path)
            ):
                raise Conflict(path, before[0], wheel)
            return False
        if path in self._folders:
            raise Conflict(path, self._folders[path], wheel, replaceable=False)
        folder = path.rpartition("/")[0]
        while folder and folder not in self._folders:
            if folder in self._files:
                raise Conflict(folder, self._files[folder][0], wheel, replaceable=False)
            self._folders[folder] = wheel
            folder = folder.rpartition("/")[0]
        self._files[path] = (wheel, recorded, meaning)
        return True


def check_conflicts(
    wheels: Iterable[LockedWheel],
    inputs: Inputs,
    target: Target,
    *,
    allow_bad_record: frozenset[str] = frozenset(),
    others: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    overwriting: Overwriting = NOBODY,
) -> None:
    """Pass when no path would get two contents, or a later one of those that may overwrite decides which it gets.

    The wheels come in the order in which they are installed. Reads the ends of their files; more only where paths meet.
    ``others`` are files of packages of another kind that are in the environment: path -> package and sha256 in hex.

    Raises:
        Conflict: IW207: two packages have different files for one path; it names both.
        RefusedArchive: IW303: a wheel cannot be read. Not every rule is looked at here: writing its layer does that.
    """
    owners: dict[str, LockedWheel] = {}
    meeting: dict[LockedWheel, set[str]] = defaultdict(set)
    installed = tuple(wheels)
    for wheel in installed:
        with open_archive(inputs.path(wheel.file), wheel.filename) as archive:
            for path in _paths(archive, target):
                owner = owners.setdefault(path, wheel)
                if path in others:
                    meeting[wheel].add(path)
                if owner is not wheel:
                    meeting[owner].add(path)
                    meeting[wheel].add(path)
    both = file_and_folder(owners, owners)
    if both:
        below = min(path for path in owners if path.startswith(both + "/"))
        raise Conflict(both, owners[both].filename, owners[below].filename, replaceable=False)
    claims = Claims()
    found: list[tuple[Conflict, str]] = []
    for locked in filter(meeting.__contains__, installed):
        overwrites = locked.name in overwriting.packages
        allowed = locked.name in allow_bad_record
        with open_wheel(inputs.path(locked.file), locked.filename, allow_bad_record=allowed) as opened:
            for file in installed_files(opened, target):
                if file.path not in meeting[locked]:
                    continue
                other, digest = others.get(file.path, ("", ""))
                try:
                    if other and not overwrites and (file.recorded is None or file.recorded[1].hex() != digest):
                        raise Conflict(file.path, other, locked.filename)
                    meaning = meaning_in(locked, inputs, target, allowed)
                    claims.take(locked.filename, file.path, file.recorded, meaning, overwrite=overwrites)
                except Conflict as conflict:
                    found.append((conflict, locked.name))
    if found:
        raise refusal(found, overwriting)


def meaning_in(locked: LockedWheel, inputs: Inputs, target: Target, allow_bad_record: bool) -> Meaning:
    """The meanings of a wheel's files. It is opened again for each: few are ever asked for."""

    def meaning(path: str) -> str | None:
        if not path.endswith("/__init__.py"):
            return None
        with open_wheel(inputs.path(locked.file), locked.filename, allow_bad_record=allow_bad_record) as wheel:
            for file in installed_files(wheel, target):
                if file.path == path and isinstance(file.content, Member):
                    return declaration(path, wheel.archive.read(file.content, file.recorded))
        return None

    return meaning


def _paths(archive: Archive, target: Target) -> set[str]:
    """Where the wheel's files go, commands included."""
    names = list_names(archive)
    distribution, dist_info = folders(archive, {name.partition("/")[0] for name in names if "/" in name})
    data = dist_info.removesuffix(".dist-info") + ".data"
    placement = Placement(target, distribution, data)
    paths = {
        placement.path(archive, name) if name.startswith(data) else f"{target.site_packages}/{name}" for name in names
    }
    entry_points = names.get(f"{dist_info}/entry_points.txt")
    if entry_points is not None:
        text = archive.read(read_member(archive, entry_points)).decode("utf-8", "replace")
        try:
            paths |= {f"{target.prefix}/bin/{command.name}" for command in commands(text)}
        except ValueError as error:
            raise archive.refused(f"its entry points are wrong: {error}") from error
    return paths
