"""Which files a package may be installed from, where hashes were written down: a requirements file's, or poetry.lock's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from packaging.utils import canonicalize_name

from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, Where
from imagewright.oci.digest import Digest
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.pylock_tags import holds
from imagewright.packages.pypi.requirements_file import Line
from imagewright.packages.target import Target


@dataclass(frozen=True, slots=True)
class Allowed:
    """The digests that one package's file may have, and what allows them: ``requirements.txt``'s ``--hash``."""

    digests: frozenset[Digest]
    by: str
    where: Where | None = None


def allowed_by_lines(lines: Iterable[Line], target: Target) -> dict[str, Allowed]:
    """The hashes of the lines that apply to the target, by normalised name."""
    found: dict[str, Allowed] = {}
    for line in lines:
        if not line.hashes or not holds(line.marker, target):
            continue
        name = canonicalize_name(line.name)
        before = found[name].digests if name in found else frozenset()
        where = Where(str(line.file), line.number, line.text.partition(" --hash")[0], line.name)
        found[name] = Allowed(before | line.hashes, f"{line.file.name} allows by --hash", where)
    return found


def keep_allowed(packages: Sequence[dict[str, Any]], allowed: Mapping[str, Allowed]) -> None:
    """Take the wheels that are not allowed out of a lock's packages; where none would be left, all stay.

    A wheel without a digest stays as well: `check_allowed` decides when its digest is known.
    """
    for package in packages:
        may = allowed.get(canonicalize_name(package["name"]))
        if may is None or not package.get("wheels"):
            continue
        wheels = [wheel for wheel in package["wheels"] if _digest(wheel) is None or _digest(wheel) in may.digests]
        if wheels:
            package["wheels"] = wheels


def check_allowed(wheels: Iterable[LockedWheel], allowed: Mapping[str, Allowed], *, all_of_them: str = "") -> None:
    """Compare what was chosen. ``all_of_them`` says who wants every wheel to be allowed by a hash.

    Raises:
        IntegrityError: A wheel is none of those that are allowed.
    """
    for wheel in wheels:
        may = allowed.get(wheel.name)
        file = wheel.file.digest
        if wheel.source is not None:  # what was written down is the digest of the sdist
            if wheel.source.kind != "sdist" and not all_of_them:
                continue
            file = wheel.source.digest or file
        if may is None and all_of_them:
            raise IntegrityError(
                f"{wheel.name} {wheel.version} has no hash, and {all_of_them} wants one for every package",
                fix=f"write it down: {wheel.name}=={wheel.version} --hash={file}",
            )
        if may is not None and file not in may.digests:
            raise IntegrityError(
                f"{wheel.filename} is none of the files that {may.by}",
                why=[f"the index has {file}", *(f"allowed is {digest}" for digest in sorted(may.digests))],
                fix="if the file on the index is the right one, write its digest down there",
                where=may.where,
            )


def _digest(wheel: Mapping[str, Any]) -> Digest | None:
    value = wheel.get("hashes", {}).get("sha256")
    return Digest(f"sha256:{value.lower()}") if isinstance(value, str) else None
