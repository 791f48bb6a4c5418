"""Where the files of a wheel go, and the files that an installer adds: RECORD, INSTALLER and commands."""

import base64
import csv
import hashlib
import io
import posixpath
import re
from typing import NamedTuple

from imagewright.dataclass import dataclass
from imagewright.packages.pypi.members import file_and_folder
from imagewright.packages.pypi.members_archive import Archive, Member
from imagewright.packages.pypi.record_digests import encode_all
from imagewright.packages.pypi.scripts import commands, is_python_script, with_interpreter
from imagewright.packages.pypi.wheel import Recorded, Wheel
from imagewright.packages.target import Target

_QUOTED = re.compile(r"[,\"\r\n]")  # what csv puts into quotes
_OWN = re.compile(r"pyvenv\.cfg|bin/python[0-9.]*w?|bin")


class InstalledFile(NamedTuple):
    """A file in the image: ``content`` is the wheel's own member, or bytes. ``recorded`` is None for RECORD alone."""

    path: str
    content: Member | bytes
    mode: int
    recorded: Recorded | None

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.size


@dataclass(frozen=True, slots=True)
class Placement:
    """Where files of one distribution go: the paths of its schemes."""

    target: Target
    distribution: str
    data: str

    def path(self, archive: Archive, name: str) -> str:
        """Where the member called ``name`` is installed, absolute.

        Source: binary distribution format (wheel) 1.0, "Installing a wheel"; the places are those of a virtual
        environment, where purelib and platlib are one.

        Raises:
            RefusedArchive: It is in no scheme, or would replace a part of the environment itself.
        """
        top, _, rest = name.partition("/")
        if top != self.data or not rest:
            return f"{self.target.site_packages}/{name}"
        scheme, _, below = rest.partition("/")
        folder = {
            "purelib": self.target.site_packages,
            "platlib": self.target.site_packages,
            "headers": f"{self.target.prefix}/include/site/python{self.target.python}/{self.distribution}",
            "scripts": f"{self.target.prefix}/bin",
            "data": self.target.prefix,
        }.get(scheme)
        if folder is None or not below:
            raise archive.refused("its data folder has a file that belongs to no scheme", name)
        path = f"{folder}/{below}"
        if _OWN.fullmatch(path.removeprefix(self.target.prefix + "/")):
            raise archive.refused("a file would replace a part of the environment itself", name)
        return path

    def is_script(self, name: str) -> bool:
        """Whether the member is one of the scripts scheme."""
        return name.startswith(f"{self.data}/scripts/")


def interpreter(target: Target) -> str:
    """What the first line of commands names."""
    return f"{target.prefix}/bin/python"


def installed_files(wheel: Wheel, target: Target) -> list[InstalledFile]:
    """Every file that installing the wheel makes, in the wheel's order, then commands, INSTALLER and RECORD.

    Modes are 755 for what the wheel has as executable and for scripts, else 644: what pip and uv make under umask 022.

    Raises:
        RefusedArchive: Two files go to one path, or a file or command has no place.
    """
    placement = Placement(target, wheel.distribution, wheel.data)
    launchers = _launchers(wheel, target)
    replaced = {f"{wheel.dist_info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER")}
    site_packages, recorded = target.site_packages, wheel.recorded
    files: dict[str, InstalledFile] = {}
    for member in wheel.members:
        name = member.name
        if name in replaced:
            continue
        if not name.startswith(wheel.data):  # nearly all of them
            path = f"{site_packages}/{name}"
            if path not in launchers:
                files[path] = InstalledFile(path, member, 0o755 if member.executable else 0o644, recorded[name])
            continue
        path = placement.path(wheel.archive, name)
        if path in launchers:
            continue  # old tools put the launchers that they made into the wheel; pip makes them anew as well
        if path in files:
            raise wheel.archive.refused(f"two of its files go to {path}", name)
        script = placement.is_script(name)
        rewritten = _rewritten(wheel, member, target) if script else None
        mode = 0o755 if script or member.executable else 0o644
        if rewritten is None:
            files[path] = InstalledFile(path, member, mode, recorded[name])
        else:
            files[path] = _made(path, rewritten, mode)
    added = [*launchers.values(), _made(f"{target.site_packages}/{wheel.dist_info}/INSTALLER", b"imagewright\n", 0o644)]
    for file in added:
        if file.path in files:
            raise wheel.archive.refused(f"two of its files go to {file.path}")
        files[file.path] = file
    both = file_and_folder(files, files)
    if both:
        raise wheel.archive.refused(f"a file of it goes to {both}, and others below that")
    record = f"{target.site_packages}/{wheel.dist_info}/RECORD"
    return [*files.values(), InstalledFile(record, _record(files, record, target), 0o644, None)]


def _launchers(wheel: Wheel, target: Target) -> dict[str, InstalledFile]:
    text = wheel.read("entry_points.txt")
    if text is None:
        return {}
    try:
        declared = commands(text.decode("utf-8"))
    except ValueError as error:  # a UnicodeDecodeError is one
        raise wheel.archive.refused(f"its entry points are wrong: {error}") from error
    paths = ((f"{target.prefix}/bin/{command.name}", command.launcher(interpreter(target))) for command in declared)
    return {path: _made(path, data, 0o755) for path, data in paths}


def _rewritten(wheel: Wheel, member: Member, target: Target) -> bytes | None:
    """The script with the environment's interpreter, or None when it has one of its own or is a program."""
    if member.size > 1 << 20 and not is_python_script(wheel.archive.start(member)):
        return None
    data = wheel.archive.read(member, wheel.recorded[member.name])
    return with_interpreter(data, interpreter(target)) if is_python_script(data) else None


def _made(path: str, data: bytes, mode: int) -> InstalledFile:
    return InstalledFile(path, data, mode, ("sha256", hashlib.sha256(data).digest()))


def _record(files: dict[str, InstalledFile], record: str, target: Target) -> bytes:
    """RECORD as the image has it: paths relative to site-packages, sorted, itself without a digest.

    Source: "Recording installed projects", "The RECORD file".
    """
    inside = target.site_packages + "/"
    rows: list[tuple[str, str, str]] = [(record.removeprefix(inside), "", "")]
    known = [file.recorded or ("", b"") for file in files.values()]
    if all(algorithm == "sha256" for algorithm, _ in known):
        digests = encode_all([digest for _, digest in known])
    else:
        digests = [f"{name}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}" for name, digest in known]
    for file, digest in zip(files.values(), digests, strict=True):
        path = file.path
        path = path.removeprefix(inside) if path.startswith(inside) else posixpath.relpath(path, target.site_packages)
        rows.append((path, digest, str(file.size)))
    rows.sort()
    if not _QUOTED.search("".join([row[0] for row in rows])):
        return "".join([f"{path},{digest},{size}\n" for path, digest, size in rows]).encode()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
