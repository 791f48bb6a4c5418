"""Unpacks Debian packages into the upper folder of a step, several at once, as dpkg would leave them before their scripts."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from imagewright.packages.deb.archive import Deb, Member, members, open_deb, refused
from imagewright.packages.deb.control_files import Control, read_control
from imagewright.packages.deb.for_dpkg import ForDpkg, check_image, check_packages
from imagewright.packages.deb.layout import is_filtered
from imagewright.packages.deb.locked import LockedDeb
from imagewright.packages.deb.prepared import Prepared
from imagewright.packages.deb.status import FOLDER
from imagewright.packages.deb.system import Unpacked
from imagewright.packages.deb.upper import Upper
from imagewright.parallel import beside, run_all
from imagewright.sandbox.stack import Stack


def unpack_natively(
    debs: Sequence[LockedDeb],
    files: Mapping[str, Path],
    stack: Stack,
    upper: Path,
    are_harmless: Callable[[Mapping[str, bytes]], bool],
    *,
    jobs: int,
) -> Prepared:
    """Unpack what can be, and say what is left. ``files`` are by package; ``upper`` is empty, and lies above ``stack``.

    A package that asks for triggers of its own is left to dpkg, and those with a *preinst* unless
    ``are_harmless`` has found that all of these, by package, do nothing. Of the others the files are written where dpkg
    would put them. docs/decisions/0132 says why this gives the same tree.

    Raises:
        ForDpkg: The image or the packages are not as simple as that. The upper folder is then to be emptied.
        BuildError: A package is broken or hostile (IW303).
    """
    check_image(stack)
    controls = run_all(lambda deb: read_control(deb, files[deb.name]), debs, jobs=jobs)
    architecture = check_packages(controls, stack)
    scripted = [one for one in controls if "preinst" in one.files and not one.is_left]
    tree = Upper(upper, stack)
    interests = _file_triggers(stack)
    scripts = {one.deb.name: one.files["preinst"][1] for one in scripted}
    with beside(lambda: bool(scripts) and are_harmless(scripts)) as harmless:

        def unpack(one: Control) -> Unpacked | None:
            if one.is_left or (one in scripted and not harmless.result()):
                return None
            return _unpack(one, files[one.deb.name], tree)

        # The biggest first, so that no thread ends alone with one.
        order = sorted(controls, key=lambda one: -one.deb.file.size)
        made = dict(zip([one.deb for one in order], run_all(unpack, order, jobs=jobs), strict=True))
    done = {deb.name: one for deb, one in made.items() if one is not None}
    native = [one for one in controls if one.deb.name in done]
    left = [one for one in controls if one.deb.name not in done]
    tree.finish()
    triggers = [
        (path, one.deb.name) for one in native for path in sorted(interests & _with_folders(done[one.deb.name].paths))
    ]
    status = "".join(_paragraph(one, done[one.deb.name]) for one in native)
    return Prepared(status, tuple(one.deb for one in left), tuple(triggers), architecture)


def _file_triggers(stack: Stack) -> frozenset[str]:
    """The paths that installed packages wait for."""
    lines = stack.read(f"/{FOLDER}/triggers/File").decode("utf-8", "replace").splitlines()
    return frozenset(line.rpartition(" ")[0] for line in lines if line.strip())


def _with_folders(paths: Sequence[str]) -> set[str]:
    """The paths, and the folders that they are in."""
    found: set[str] = set()
    for path in paths:
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


def _unpack(one: Control, file: Path, tree: Upper) -> Unpacked:
    name = f"{one.deb.name}_{one.deb.version}_{one.deb.architecture}"
    conffiles = dict.fromkeys(one.script("conffiles").splitlines(), "")
    paths: list[str] = []
    with open_deb(file, one.deb.name) as opened:
        for member in _data(opened, name):
            if member.kind == "file" and f"/{member.path}" in conffiles:
                conffiles[f"/{member.path}"] = hashlib.md5(member.data, usedforsecurity=False).hexdigest()
            paths.append(f"/{member.path or '.'}")
            if member.path and not is_filtered(member.path, member.kind):
                tree.add(member, one.deb.name)
    kept = {path: digest for path, digest in conffiles.items() if digest}
    if kept.keys() != conffiles.keys():
        raise ForDpkg(f"{name} names configuration files that it does not have")
    made = Unpacked(one.said, one.files, tuple(paths), kept)
    for control, (mode, content) in sorted(one.files.items()):
        tree.info(f"{made.qualified}.{control}", content, mode & 0o755, mtime=one.times[control])
    tree.info(f"{made.qualified}.list", "".join(f"{path}\n" for path in paths).encode(), 0o644)
    return made


def _paragraph(one: Control, made: Unpacked) -> str:
    """What dpkg's status file says of a package whose scripts have not run. It writes it anew, with its own order of fields.

    A configuration file has the digest of what is there: without a NAME.dpkg-new dpkg asks nothing and keeps that.
    """
    lines = [line for line in one.text.splitlines() if line.strip() and not line.startswith("#")]
    lines.append("Status: install ok unpacked")
    if made.conffiles:
        lines += ["Conffiles:", *(f" {path} {digest}" for path, digest in made.conffiles.items())]
    return "\n".join([*lines, "", ""])


def _data(opened: Deb, name: str) -> Iterator[Member]:
    stream = opened.data()
    yield from members(stream, name)
    for _ in stream:
        raise refused(name, "its data goes on after its end")
