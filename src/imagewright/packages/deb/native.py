"""Unpacks Debian packages into the upper folder of a step, several at once, as dpkg would leave them before their scripts."""

import errno
import hashlib
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.packages.deb.archive import Deb, Member, members, open_deb, refused
from imagewright.packages.deb.control import fields
from imagewright.packages.deb.layout import DPKG_CONF, is_filtered, merged
from imagewright.packages.deb.locked import LockedDeb
from imagewright.packages.deb.prepared import Prepared
from imagewright.packages.deb.status import FOLDER
from imagewright.packages.deb.system import Unpacked
from imagewright.parallel import beside, run_all
from imagewright.sandbox.stack import Stack

_STATIC_IDS = 100  # from here on, a number means another user in each image: dpkg goes by the names
_SETTINGS = re.compile(r"\s*(?:#.*|no-debsig|log [^\n]*|force-unsafe-io|path-(?:exclude|include)=[^\n]*)?")


class ForDpkg(Exception):
    """These packages cannot be unpacked here as dpkg would do it: it has to do it itself."""


@dataclass(frozen=True, slots=True)
class _Control:
    deb: LockedDeb
    text: str
    said: Mapping[str, str]
    files: Mapping[str, tuple[int, bytes]]
    times: Mapping[str, int]

    @property
    def is_left(self) -> bool:
        """Whether it waits for others, or its configuration files have marks."""
        marked = any(not line.startswith("/") or " " in line for line in self.script("conffiles").splitlines())
        return marked or "interest" in self.script("triggers")

    def script(self, name: str) -> str:
        return self.files.get(name, (0, b""))[1].decode("utf-8", "replace")


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
    _check_image(stack)
    controls = run_all(lambda deb: _control(deb, files[deb.name]), debs, jobs=jobs)
    architecture = _check_packages(controls, stack)
    scripted = [one for one in controls if "preinst" in one.files and not one.is_left]
    tree = _Upper(upper, stack)
    interests = _file_triggers(stack)
    scripts = {one.deb.name: one.files["preinst"][1] for one in scripted}
    with beside(lambda: bool(scripts) and are_harmless(scripts)) as harmless:

        def unpack(one: _Control) -> Unpacked | None:
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
        (path, one.deb.name)
        for one in native
        for path in interests
        if any(name == path or name.startswith(f"{path}/") for name in done[one.deb.name].paths)
    ]
    status = "".join(_paragraph(one, done[one.deb.name]) for one in native)
    return Prepared(status, tuple(one.deb for one in left), tuple(triggers), architecture)


def _check_image(stack: Stack) -> None:
    """Settings of dpkg that change what it would leave: overrides, and filters other than our own."""
    if stack.read(f"/{FOLDER}/statoverride").strip():
        raise ForDpkg("dpkg has overrides")
    filters: list[str] = []
    for name, text in _settings(stack):
        for line in text.splitlines():
            if not _SETTINGS.fullmatch(line):
                raise ForDpkg(f"{name} says {line!r}")
            filters += [line] if line.startswith("path-") else []
    if filters != DPKG_CONF.splitlines():
        raise ForDpkg("other files are left out than on the default base")


def _diverted(stack: Stack) -> frozenset[str]:
    """The paths of diversions, those that are taken away and those that they become. Source: dpkg 1.21, db-fsys-divert.c."""
    lines = stack.read(f"/{FOLDER}/diversions").decode("utf-8", "replace").splitlines()
    paths = [line.lstrip("/") for at, line in enumerate(lines) if at % 3 < 2]
    return frozenset((*paths, *map(merged, paths)))


def _settings(stack: Stack) -> Iterator[tuple[str, str]]:
    folder = "/etc/dpkg/dpkg.cfg.d"
    names = {name for below in stack.folders if os.path.isdir(below + folder) for name in os.listdir(below + folder)}
    for path in ("/etc/dpkg/dpkg.cfg", "/root/.dpkg.cfg", *(f"{folder}/{name}" for name in sorted(names))):
        yield path, stack.read(path).decode("utf-8", "replace")


def _control(deb: LockedDeb, file: Path) -> _Control:
    name = f"{deb.name}_{deb.version}_{deb.architecture}"
    with open_deb(file, deb.name) as opened:
        found = [member for member in members(iter([opened.control()]), name) if member.kind == "file"]
    files = {member.path: (member.mode, member.data) for member in found}
    try:
        text = files.pop("control", (0, b""))[1].decode()
        said = fields(text)
    except ValueError as error:
        raise refused(name, f"its control file cannot be read: {error}") from error
    stated = (said.get("Package"), said.get("Version"), said.get("Architecture"))
    if stated != (deb.name, deb.version, deb.architecture):
        raise refused(name, f"its control file says {stated}")
    return _Control(deb, text, said, files, {member.path: member.mtime for member in found})


def _check_packages(controls: Sequence[_Control], stack: Stack) -> str:
    """What the order of dpkg's work could change: questions that are asked before, packages that are there, triggers on files.

    Returns the image's architecture.
    """
    status = stack.read(f"/{FOLDER}/status", limit=1 << 26).decode("utf-8", "replace")
    known = set(re.findall(r"^Package: (\S+)$", status, re.MULTILINE))
    native = re.search(r"^Package: dpkg\n(?:.+\n)*?Architecture: (\S+)$", status, re.MULTILINE)
    if native is None:
        raise ForDpkg("the image has no dpkg")
    for one in controls:
        if one.deb.name in known:
            raise ForDpkg(f"{one.deb.name} is known to dpkg already")
        if not one.files.keys().isdisjoint({"config", "templates"}):
            raise ForDpkg(f"{one.deb.name} asks questions before")
        if (one.is_left or "preinst" in one.files) and _needs_others(one, controls):
            raise ForDpkg(f"{one.deb.name} has to be unpacked after others are configured")
        if re.search(r"^\s*interest\S*\s+/", one.script("triggers"), re.MULTILINE):
            raise ForDpkg(f"{one.deb.name} waits for files of others")
        if one.deb.architecture not in ("all", native[1]):
            raise ForDpkg(f"{one.deb.name} is of another architecture")
    return native[1]


def _needs_others(one: _Control, controls: Sequence[_Control]) -> bool:
    """Whether other new packages have to be configured before it is unpacked."""
    before = set(re.split(r"[^a-z0-9+.-]+", one.said.get("Pre-Depends", "")))
    return any(other.deb.name in before for other in controls)


def _file_triggers(stack: Stack) -> tuple[str, ...]:
    """The paths that installed packages wait for."""
    lines = stack.read(f"/{FOLDER}/triggers/File").decode("utf-8", "replace").splitlines()
    return tuple(sorted({line.rpartition(" ")[0] for line in lines if line.strip()}))


def _unpack(one: _Control, file: Path, tree: "_Upper") -> Unpacked:
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


def _paragraph(one: _Control, made: Unpacked) -> str:
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


class _Upper:
    """The upper folder in the making. Safe to share between threads.

    Every path is looked up without its links: those of the layers below are followed here, those of packages are not.
    """

    def __init__(self, folder: Path, stack: Stack) -> None:
        self._folder, self._stack = str(folder), stack
        self._diverted = _diverted(stack)
        self._lock = threading.Lock()
        self._directories: dict[str, tuple[int, int, int] | None] = {"": None}  # what a package said of it; None: below
        self._times: dict[str, int] = {}
        self._others: set[str] = set()
        self._real: dict[str, str] = {}
        self._owns = os.geteuid() == 0

    def add(self, member: Member, package: str) -> None:
        """Make an entry of a package."""
        if (
            member.uid >= _STATIC_IDS
            or member.gid >= _STATIC_IDS
            or not (self._owns or (member.uid, member.gid) == (0, 0))
        ):
            raise ForDpkg(f"{package} has files of a user of its own")
        folder, _, name = member.path.rpartition("/")
        if name.endswith((".dpkg-new", ".dpkg-tmp")) or name.startswith(".wh."):
            raise ForDpkg(f"{package} has {member.path}")
        path = f"{self._directory(folder)}/{name}".lstrip("/")
        if path in self._diverted:
            raise ForDpkg(f"{package} has {member.path}, which is diverted")
        if member.kind == "directory":
            self._add_directory(path, member, package)
            return
        with self._lock:
            if path in self._others or path in self._directories or self._is_below(path):
                raise ForDpkg(f"{package} has {member.path}, which is there")
            self._others.add(path)
        try:
            self._make(f"{self._folder}/{path}", member, package)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise ForDpkg(f"{package} has files of a user that this one may not give them to") from error

    def _make(self, full: str, member: Member, package: str) -> None:
        match member.kind:
            case "file":
                descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                try:
                    written = 0
                    while written < len(member.data):
                        written += os.write(descriptor, member.data[written:] if written else member.data)
                    if self._owns and (member.uid or member.gid):
                        os.fchown(descriptor, member.uid, member.gid)
                    os.fchmod(descriptor, member.mode)
                    os.utime(descriptor, (member.mtime, member.mtime))
                finally:
                    os.close(descriptor)
            case "symlink":
                os.symlink(member.link, full)
                if self._owns and (member.uid or member.gid):
                    os.lchown(full, member.uid, member.gid)
                os.utime(full, (member.mtime, member.mtime), follow_symlinks=False)
            case "hardlink":
                folder, _, name = member.link.rpartition("/")
                target = f"{self._directory(folder)}/{name}".lstrip("/")
                if target not in self._others:
                    raise ForDpkg(f"{package} has {member.path}, a link to what it has not")
                os.link(f"{self._folder}/{target}", full, follow_symlinks=False)

    def info(self, name: str, content: bytes, mode: int, *, mtime: int | None = None) -> None:
        """Write a file of dpkg's database; it is of now, or as old as the package says."""
        path = f"{self._directory(f'{FOLDER}/info')}/{name}"
        descriptor = os.open(f"{self._folder}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
        if mtime is not None:
            os.utime(f"{self._folder}/{path}", (mtime, mtime))

    def finish(self) -> None:
        """Give folders in which nothing was made the time that they have below, or that their package says."""
        made = {path.rpartition("/")[0] for path in self._others}
        made |= {path.rpartition("/")[0] for path, said in self._directories.items() if said}
        for path in self._directories.keys() - made - {"", f"{FOLDER}/info"}:
            mtime = self._times[path] if path in self._times else int(self._stack.status(f"/{path}").st_mtime)
            os.utime(f"{self._folder}/{path}", (mtime, mtime))

    def _add_directory(self, path: str, member: Member, package: str) -> None:
        said = (member.mode, member.uid, member.gid)
        with self._lock:
            if path in self._others:
                raise ForDpkg(f"{package} has the folder {member.path}, which another has as a file")
            if path in self._directories:
                if self._directories[path] not in (None, said):
                    raise ForDpkg(f"{package} has the folder {member.path}, with other rights than another one")
                if path in self._times:
                    self._times[path] = min(self._times[path], member.mtime)
                return
            if self._is_below(path):
                if not self._is_folder(path):
                    raise ForDpkg(f"{package} has the folder {member.path}, which is a file below")
                return  # it stays as it is, and is made here when something comes into it
            os.mkdir(f"{self._folder}/{path}", 0o700)
            if self._owns:
                os.chown(f"{self._folder}/{path}", member.uid, member.gid)
            os.chmod(f"{self._folder}/{path}", member.mode)
            self._directories[path] = said
            self._times[path] = member.mtime

    def _directory(self, path: str) -> str:
        """Where a folder really is; made here as it is below."""
        with self._lock:
            return self._made(path)

    def _made(self, path: str) -> str:
        if path in self._real:
            return self._real[path]
        parent, _, name = path.rpartition("/")
        real = f"{self._made(parent)}/{name}".lstrip("/") if path else ""
        if real not in self._directories:
            if real in self._others:
                raise ForDpkg(f"/{path} is a link of one package, and a folder of another")
            resolved = self._stack.resolve(f"/{real}").lstrip("/")
            if resolved != real:
                real = self._real[path] = self._made(resolved)
                return real
            try:
                status = self._stack.status(f"/{real}")
            except FileNotFoundError:
                raise ForDpkg(f"/{path} is not there, and no package makes it") from None
            os.mkdir(f"{self._folder}/{real}", 0o700)
            if self._owns:
                os.chown(f"{self._folder}/{real}", status.st_uid, status.st_gid)
            os.chmod(f"{self._folder}/{real}", status.st_mode & 0o7777)
            self._directories[real] = None
        self._real[path] = real
        return real

    def _is_below(self, path: str) -> bool:
        """Whether a layer below has anything at a path whose folder is without links, be it that it takes something away."""
        return any(os.path.lexists(f"{folder}/{path}") for folder in self._stack.folders)

    def _is_folder(self, path: str) -> bool:
        try:
            return stat.S_ISDIR(self._stack.status(f"/{path}").st_mode)
        except FileNotFoundError:
            return False
