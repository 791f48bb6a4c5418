"""No two packages may write one path with different bytes, and none may want to run something unasked."""

import posixpath
from collections.abc import Collection, Iterable, Sequence

from imagewright.errors import LockError
from imagewright.layer.planned import Inputs
from imagewright.packages.conda.archive import open_package
from imagewright.packages.conda.install import Placement, check_index, launchers, placed, post_link_script
from imagewright.packages.conda.locked import LockedConda
from imagewright.packages.overwriting import NOBODY, Conflict, Overwriting, refusal
from imagewright.spec.names import normalized_name

Content = tuple[object, ...]


class Claims:
    """Which package writes which path, and what."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, Content | None]] = {}
        self._folders: dict[str, str] = {}

    def take(self, package: str, path: str, content: Content | None, *, overwrite: bool = False) -> bool:
        """Whether the path was free; False when it has the same content already.

        With ``overwrite`` it is free unless others have a folder there.

        Raises:
            Conflict: IW207: another package has something else there.
        """
        before = None if overwrite else self._files.get(path)
        if before is not None:
            if content is None or before[1] != content:
                raise Conflict(path, before[0], package, kind="conda ")
            return False
        if path in self._folders:
            raise Conflict(path, self._folders[path], package, kind="conda ", replaceable=False)
        folder = posixpath.dirname(path)
        while folder and folder not in self._folders:
            if folder in self._files:
                raise Conflict(folder, self._files[folder][0], package, kind="conda ", replaceable=False)
            self._folders[folder] = package
            folder = posixpath.dirname(folder)
        self._files[path] = (package, content)
        return True


def check_packages(
    packages: Sequence[LockedConda],
    inputs: Inputs,
    placement: Placement,
    *,
    decided: Collection[str],
    overwriting: Overwriting = NOBODY,
) -> None:
    """Read what all packages say of their files, in the order in which they are installed.

    It is decided of those named what becomes of their scripts.

    Raises:
        Conflict: IW207: two packages have different files for one path.
        LockError: IW210: one wants to run a script.
        BuildError: IW303: a package cannot be read. Not every rule is looked at here: writing its layer does that.
    """
    claims = Claims()
    wanting: list[tuple[LockedConda, str]] = []
    found: list[tuple[Conflict, str]] = []
    for locked in packages:
        name = normalized_name(locked.name)
        overwrite = name in overwriting.packages
        with open_package(inputs.path(locked.file), locked.filename) as package:
            check_index(package, locked)
            contents: dict[str, Content | None] = {
                path: entry.content for path, entry in placed(package, placement).items() if entry.kind != "directory"
            }
            own = package.paths
            contents.update((path, (data,)) for path, data in launchers(package, placement).items() if path not in own)
            for path, content in contents.items():
                try:
                    claims.take(locked.filename, path, content, overwrite=overwrite)
                except Conflict as conflict:
                    found.append((conflict, name))
            if (script := post_link_script(package)) is not None and locked.name not in decided:
                wanting.append((locked, script))
    if found:
        raise refusal(found, overwriting)
    if wanting:
        raise _wants_to_run(wanting)


def paths_of(packages: Iterable[LockedConda], inputs: Inputs, placement: Placement) -> dict[str, tuple[str, str]]:
    """Every file below the prefix, of the last package that has it: its absolute path -> the package, and its sha256 in hex ("" where it is not told)."""
    found: dict[str, tuple[str, str]] = {}
    for locked in packages:
        with open_package(inputs.path(locked.file), locked.filename) as package:
            files = {
                path: "" if entry.placeholder else entry.sha256 for path, entry in placed(package, placement).items()
            }
            for path, digest in {**dict.fromkeys(launchers(package, placement), ""), **files}.items():
                found[f"{placement.prefix}/{path}"] = (locked.filename, digest)
    return found


def _wants_to_run(wanting: Sequence[tuple[LockedConda, str]]) -> LockError:
    names = _listed(f"{locked.name} {locked.version}" for locked, _ in wanting)
    many = len(wanting) > 1
    return LockError(
        f"{'conda packages want' if many else 'a conda package wants'} to run a script after being installed: {names}",
        code="IW210",
        why=f"{wanting[0][0].filename} has {wanting[0][1]}",
        fix=[
            'builder_options={"conda_post_link": "run"} runs them in a sandbox, without a network',
            'builder_options={"conda_post_link": "skip"} leaves them, as pixi does: often nothing is missed',
        ],
    )


def _listed(names: Iterable[str], most: int = 4) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
