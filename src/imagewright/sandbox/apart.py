"""Work that needs to be root, done in a process of its own in a user namespace when this user is an ordinary one.

There files can be given to others, setuid bits and capabilities can be set, and all of it is undone with the files: what
root of the host does in this process, that process does with the ids that are lent to the user.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TypeVar

from imagewright.dataclass import dataclass
from imagewright.errors import ImagewrightError, SandboxError
from imagewright.sandbox.bwrap import not_allowed, privileged
from imagewright.sandbox.ids import Ids, find_ids, single
from imagewright.sandbox.process import Stop
from imagewright.sandbox.rootfs import ROOTFS, Rootfs, StoredLayer

T = TypeVar("T")
Say = Callable[[object], None]
Work = Callable[..., T]
"""``work(place, layers, *arguments)``: a function of a module, whose arguments can be pickled."""

_NEWUSER = 0x10000000  # CLONE_NEWUSER and PR_SET_PDEATHSIG: Linux, include/uapi/linux/sched.h and prctl.h
_DIE_WITH_PARENT = 1
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; from imagewright.sandbox.apart import serve; serve(int(sys.argv[1]))"
)


@dataclass(frozen=True, slots=True)
class Apart:
    """What the work finds where it runs. ``several``: files can have owners; else all are root's.

    ``name`` tells folders of one kind of namespace from those of others; it is "" for root of the host. ``say`` hands
    something to who asked for the work, in order; ``stop`` ends the work when that is wanted.
    """

    several: bool
    name: str
    say: Say
    stop: Stop

    @property
    def direct(self) -> bool:
        """Whether this is the process that asked; else layers' bytes come one layer at a time."""
        return not self.name

    def rootfs(self, cache: Path) -> Rootfs:
        """The unpacked layers that root is to see as they are, below a cache folder."""
        return Rootfs(cache / (f"{ROOTFS}-{self.name}" if self.name else ROOTFS), keep_owners=self.several)


def do_apart(
    work: Work[T], *arguments: object, layers: Sequence[StoredLayer] = (), hear: Say = lambda said: None, stop: Stop
) -> T:
    """The result of the work, done here by root of the host, else in a namespace.

    What the work raises is raised here. Its standard streams are this process's. The layers' bytes are read here, where
    the network and the credentials are.

    Raises:
        SandboxError: IW601, the machine lets no namespace be made.
    """
    if privileged():
        return work(Apart(True, "", hear, stop), layers, *arguments)
    ids = find_ids() if os.geteuid() else _whole()
    try:
        return _Parent(ids, layers, hear, stop).run(work, arguments)
    except _NotLent:
        return _Parent(single(os.geteuid(), os.getegid()), layers, hear, stop).run(work, arguments)


def _whole() -> Ids:
    """For root without the right to mount: all that it has itself."""
    lines = [Path(f"/proc/self/{name}").read_text().splitlines() for name in ("uid_map", "gid_map")]
    users, groups = (
        tuple((int(inside), int(inside), int(count)) for inside, _, count in map(str.split, one)) for one in lines
    )
    return Ids(users, groups, lent=False)


class _NotLent(Exception):
    """newuidmap refused: what the files say is lent is not."""


class _Parent:
    def __init__(self, ids: Ids, layers: Sequence[StoredLayer], hear: Say, stop: Stop) -> None:
        self._ids, self._layers, self._hear, self._stop = ids, layers, hear, stop

    def run(self, work: Work[T], arguments: Sequence[object]) -> T:
        ours, theirs = Pipe()
        argv = [sys.executable, "-I", "-c", _PROGRAM, str(theirs.fileno()), *filter(None, sys.path)]
        with ours:
            try:
                process = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
            finally:
                theirs.close()
            watched = _Watched(process)
            try:
                self._stop.enter(watched)
                self._map(ours, process.pid)
                place = (self._ids.several, self._ids.name)
                ours.send((work, place, [(one.diff_id, one.media_type) for one in self._layers], arguments))
                return self._listen(ours, process)
            except BaseException:
                process.kill()
                raise
            finally:
                self._stop.leave(watched)
                process.wait()

    def _map(self, connection: Connection, pid: int) -> None:
        try:
            said = connection.recv()
        except EOFError:
            said = "its process ended"
        if said:
            raise not_allowed(f"unshare: {said}", root=False)
        for kind, ranges in (("uid", self._ids.users), ("gid", self._ids.groups)):
            if self._ids.lent:
                numbers = [str(number) for one in ranges for number in one]
                done = subprocess.run(
                    [f"new{kind}map", str(pid), *numbers], capture_output=True, timeout=30, check=False
                )
                if done.returncode:
                    raise _NotLent
                continue
            try:
                if kind == "gid" and not self._ids.several:
                    _write(f"/proc/{pid}/setgroups", "deny")
                _write(f"/proc/{pid}/{kind}_map", "".join(f"{i} {o} {count}\n" for i, o, count in ranges))
            except OSError as error:
                raise not_allowed(f"setting up {kind} map: {error.strerror}", root=False) from error

    def _listen(self, connection: Connection, process: "subprocess.Popen[bytes]") -> T:  # type: ignore[type-var]
        while True:
            try:
                kind, value = connection.recv()
            except EOFError:
                code = process.wait()
                raise SandboxError(
                    f"the process that works in a user namespace ended with {code}", why="before it had done its work"
                ) from None
            if kind == "said":
                self._hear(value)
            elif kind == "layer":
                for chunk in self._layers[value].chunks():
                    connection.send_bytes(b"+" + chunk)
                connection.send_bytes(b"")
            elif kind == "raised":
                raise value
            else:
                return value  # type: ignore[no-any-return]


class _Watched:
    """A process as `Stop` ends it: asked first, so that what it made is removed by the one who may."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def kill(self) -> None:
        self._process.send_signal(signal.SIGTERM)


def serve(descriptor: int) -> None:
    """The process's main function: enter a namespace, wait for its maps, do the work that is sent."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was begun is removed on the way
    # Of the terminal: who started this decides. Not SIG_IGN, which all that is started here would inherit.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    connection = Connection(descriptor)
    os.set_inheritable(descriptor, False)
    libc = ctypes.CDLL(None, use_errno=True)
    said = "" if libc.unshare(_NEWUSER) == 0 else os.strerror(ctypes.get_errno())
    libc.prctl(_DIE_WITH_PARENT, signal.SIGTERM)
    connection.send(said)
    if said:
        return
    work, (several, name), known, arguments = connection.recv()
    lock = threading.Lock()
    unread: list[int] = []  # the layer that is on its way here

    def send(kind: str, value: object) -> None:
        with lock:  # a layer is written by a thread of its own
            connection.send((kind, value))

    def read_rest() -> None:
        while unread and connection.recv_bytes():
            pass
        unread.clear()

    def chunks(number: int) -> Iterator[bytes]:
        read_rest()
        unread.append(number)
        send("layer", number)
        while data := connection.recv_bytes():
            yield data[1:]
        unread.clear()

    layers = [
        StoredLayer(diff_id, media_type, lambda number=number: chunks(number))  # type: ignore[misc]
        for number, (diff_id, media_type) in enumerate(known)
    ]
    if several:
        os.setgroups([])
    try:
        result = work(Apart(several, name, lambda value: send("said", value), Stop()), layers, *arguments)
    except ImagewrightError as error:
        read_rest()
        send("raised", error.with_traceback(None))
    else:
        read_rest()
        send("done", result)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
