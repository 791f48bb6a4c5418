"""How much memory a sandbox may use: by a control group where one can be made, else by a limit of each process."""

import os
import resource
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Protocol

_PREFIX = "imagewright-"
_NUMBER = count()


class MemoryLimit(Protocol):
    """A limit in bytes for a process that has not begun its work, and all that it starts."""

    @property
    def kind(self) -> str:
        """``cgroup`` when the sum of all processes counts, ``process`` when each one does."""
        ...

    def admit(self, pid: int) -> None:
        """Let the limit hold for the process."""
        ...

    def killed(self) -> bool:
        """Whether the kernel ended a process because of the limit."""
        ...

    def close(self) -> None:
        """Remove the limit; its processes are gone."""
        ...


def limit_memory(size: int, *, cgroups: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> MemoryLimit:
    """A limit of ``size`` bytes, swap and temporary files of the sandbox included when it is a control group.

    Without the right to make a control group, each process may have ``size`` bytes of data (RLIMIT_DATA, since Linux 4.7
    private mappings as well): several processes of a task may together use more, and a task hears of it as a
    MemoryError. RLIMIT_AS is no choice, since numpy and pyarrow reserve far more than they use.
    """
    text = Path("/proc/self/cgroup").read_text() if own is None else own
    for place, files in _places(cgroups, text):
        try:
            return _ControlGroup(place, files, size)
        except OSError:
            continue
    return _ProcessLimit(size)


class _Files:
    """The names of a control group version's files, and how to count kills."""

    def __init__(self, limits: tuple[str, ...], swap: tuple[str, str] | None, events: str) -> None:
        self.limits = limits
        self.swap = swap
        self.events = events


_V1 = _Files(("memory.limit_in_bytes",), None, "memory.oom_control")
_V2 = _Files(("memory.max",), ("memory.swap.max", "0"), "memory.events")


def _places(cgroups: Path, own: str) -> list[tuple[Path, _Files]]:
    """Where a group may be made: below our own first, then at the top.

    A version 2 group with processes in it cannot give its controllers to children, so its parents are tried.
    """
    places: list[tuple[Path, _Files]] = []
    for line in own.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            root = cgroups / "memory"
            places += [(place, _V1) for place in (root / path.lstrip("/"), root) if place.is_dir()]
        elif number == "0" and not controllers:
            place = cgroups / path.lstrip("/")
            while place != cgroups.parent:
                if "memory" in _words(place / "cgroup.subtree_control"):
                    places.append((place, _V2))
                place = place.parent
    return places


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


class _ControlGroup:
    kind = "cgroup"

    def __init__(self, parent: Path, files: _Files, size: int) -> None:
        _sweep(parent)
        self._files = files
        self._path = parent / f"{_PREFIX}{os.getpid()}-{next(_NUMBER)}"
        self._path.mkdir()
        try:
            for name in files.limits:
                (self._path / name).write_text(str(size))
            if files is _V1 and (self._path / "memory.memsw.limit_in_bytes").exists():
                (self._path / "memory.memsw.limit_in_bytes").write_text(str(size))
            if files.swap and (self._path / files.swap[0]).exists():
                (self._path / files.swap[0]).write_text(files.swap[1])
        except OSError:
            self._path.rmdir()
            raise

    def admit(self, pid: int) -> None:
        (self._path / "cgroup.procs").write_text(str(pid))

    def killed(self) -> bool:
        words = _words(self._path / self._files.events)
        return "oom_kill" in words and words[words.index("oom_kill") + 1] != "0"

    def close(self) -> None:
        # A process that was killed stays in the group until the kernel has taken it apart, some milliseconds.
        for _ in range(200):
            try:
                self._path.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.005)


def _sweep(parent: Path) -> None:
    """Remove groups that processes left which were killed outright; those in use refuse."""
    for path in parent.glob(f"{_PREFIX}*"):
        pid = path.name[len(_PREFIX) :].partition("-")[0]
        if pid.isdigit() and _has_ended(pid):
            try:
                path.rmdir()
            except OSError:
                continue


def _has_ended(pid: str) -> bool:
    """Whether a process is gone, or waits for nothing but its parent's notice."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


class _ProcessLimit:
    kind = "process"

    def __init__(self, size: int, *, prlimit: Callable[..., object] = resource.prlimit) -> None:
        self._size = size
        self._prlimit = prlimit

    def admit(self, pid: int) -> None:
        self._prlimit(pid, resource.RLIMIT_DATA, (self._size, self._size))

    def killed(self) -> bool:
        return False

    def close(self) -> None:
        pass
