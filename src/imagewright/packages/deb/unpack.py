"""Unpacks packages into a layer, several at a time, and keeps what the effects need to know."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from imagewright.layer.planned import Inputs
from imagewright.layer.writer import LayerWriter
from imagewright.packages.deb.archive import Member, members, open_deb, refused
from imagewright.packages.deb.control import fields
from imagewright.packages.deb.effects import KEPT, OWNED, REPLACED
from imagewright.packages.deb.elf import MACHINES, library
from imagewright.packages.deb.layout import ROOT_LINKS, is_left_out, merged
from imagewright.packages.deb.locked import LockedDeb
from imagewright.packages.deb.system import Entry, System, Unpacked
from imagewright.parallel import Relay, beside, run_all

_AHEAD = 16  # pieces of a MiB that a lane may be ahead of the writer: what bounds memory


class Tree:
    """A layer in the making, that remembers what it has. Directories may come again; the first one counts, as for dpkg."""

    def __init__(self, writer: LayerWriter, system: System) -> None:
        self._writer, self._system = writer, system

    def add(self, entry: Entry, *, mtime: int = 0) -> None:
        """Write an entry. A directory that is there already stays as it is."""
        entry = OWNED.get(entry.path, entry) if entry.kind == "directory" else entry
        if entry.path in self._system.paths and entry.kind == "directory":
            return
        parent = entry.path.rpartition("/")[0]
        if parent and parent not in self._system.paths:
            self.add(Entry(parent, "directory", mode=0o755))
        self._system.paths.add(entry.path)
        owner = {"uid": entry.uid, "gid": entry.gid, "mtime": mtime}
        if entry.kind == "directory":
            self._writer.directory(entry.path, entry.mode, uid=entry.uid, gid=entry.gid, mtime=mtime)
        elif entry.kind == "symlink":
            self._system.links[entry.path] = entry.content.decode()
            self._writer.symlink(entry.path, entry.content.decode(), **owner)
        else:
            uid, gid = entry.uid, entry.gid
            self._writer.file(entry.path, entry.content, entry.mode, uid=uid, gid=gid, mtime=mtime)

    def hardlink(self, path: str, target: str, mtime: int) -> None:
        """Write a second name of a file."""
        self._system.paths.add(path)
        self._writer.hardlink(path, target, mtime=mtime)


def unpack(debs: Sequence[LockedDeb], inputs: Inputs, tree: Tree, system: System, *, lanes: int) -> None:
    """Write the packages' files in the order of ``debs``, and add the packages to ``system``.

    Raises:
        BuildError: A package is broken or hostile (IW303), or two of them have the same file (IW302).
    """
    with _streams(debs, inputs, lanes) as streams:
        for deb, stream in zip(debs, streams, strict=True):
            name = f"{deb.name}_{deb.version}_{deb.architecture}"
            control = {
                member.path: (member.mode, member.data)
                for member in members(iter([next(stream)]), name)
                if member.kind == "file"
            }
            try:
                said = fields(control.pop("control", (0, b""))[1].decode())
            except ValueError as error:
                raise refused(name, f"its control file cannot be read: {error}") from error
            stated = (said.get("Package"), said.get("Version"), said.get("Architecture"))
            if stated != (deb.name, deb.version, deb.architecture):
                raise refused(name, f"its control file says {stated}")
            conffiles = _conffiles(control.get("conffiles", (0, b""))[1])
            paths = []
            for member in members(stream, name):
                if member.kind == "file" and f"/{member.path}" in conffiles:
                    conffiles[f"/{member.path}"] = hashlib.md5(member.data, usedforsecurity=False).hexdigest()
                if _add(member, tree, system):
                    paths.append(f"/{member.path or '.'}")
            for _ in stream:
                raise refused(name, "its data goes on after its end")
            kept = {path: digest for path, digest in conffiles.items() if digest}
            system.packages.append(Unpacked(said, control, tuple(paths), kept))


def _add(member: Member, tree: Tree, system: System) -> bool:
    """Write an entry of a package; False when it is left out. dpkg lists paths as the package has them."""
    if not member.path or (member.kind == "symlink" and member.path in ROOT_LINKS[system.architecture]):
        return True  # the root itself, and the links into /usr, which are there before
    path = merged(member.path)
    if is_left_out(path, directory=member.kind == "directory"):
        return False
    if path in REPLACED:
        return True
    match member.kind:
        case "hardlink":
            tree.hardlink(path, merged(member.link), member.mtime)
        case "symlink":
            tree.add(Entry(path, "symlink", member.link.encode(), 0o777, member.uid, member.gid), mtime=member.mtime)
        case "directory":
            tree.add(Entry(path, "directory", b"", member.mode, member.uid, member.gid), mtime=member.mtime)
        case "file":
            tree.add(Entry(path, "file", member.data, member.mode, member.uid, member.gid), mtime=member.mtime)
            if path.startswith(KEPT):
                system.files[path] = member.data
            name = path.rpartition("/")[2]
            if name.startswith(("lib", "ld-")) and ".so" in name:
                found = library(member.data)
                if found and found.machine == MACHINES[system.architecture]:
                    system.libraries[path] = found
    return True


def _conffiles(data: bytes) -> dict[str, str]:
    """The configuration files of a package, in order. One that is only named to be removed gets no digest later on."""
    return {line: "" for line in data.decode("utf-8", "replace").splitlines() if line.startswith("/")}


@contextmanager
def _streams(debs: Sequence[LockedDeb], inputs: Inputs, count: int) -> Iterator[Iterator[Iterator[bytes]]]:
    """For each package: first its control tar, then the pieces of its data tar; unpacked ahead, on other threads.

    Lane n has packages n, n + count, ... one after the other, so the one that is read next is always under way.
    """
    lanes: list[Relay[bytes]] = [Relay(_AHEAD) for _ in range(min(count, len(debs)))]
    stop = threading.Event()

    def run(number: int) -> None:
        try:
            for deb in debs[number :: len(lanes)]:
                with open_deb(inputs.path(deb.file), deb.name) as opened:
                    lanes[number].put(opened.control())
                    for chunk in opened.data():
                        if stop.is_set():
                            return
                        lanes[number].put(chunk)
                lanes[number].put(b"")
        finally:
            lanes[number].close()

    def stream(lane: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in lane:
            if not chunk:
                return
            yield chunk
        raise _Broken

    readers = [iter(lane) for lane in lanes]
    with beside(lambda: run_all(run, range(len(lanes)), jobs=len(lanes))) as work:
        try:
            yield (stream(readers[number % len(lanes)]) for number in range(len(debs)))
        except _Broken:
            _let_go(stop, readers)
            work.result()  # what the lane failed with
            raise
        finally:
            _let_go(stop, readers)


def _let_go(stop: threading.Event, readers: Sequence[Iterator[bytes]]) -> None:
    """End the lanes: one that waits for room goes on when it is read."""
    stop.set()
    for reader in readers:
        for _ in reader:
            pass


class _Broken(Exception):
    """A lane ended before its package did: it failed, and `beside` raises what it failed with."""
