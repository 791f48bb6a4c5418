"""A child process: its lines as they come, its time, and its end. One thread, bounded memory."""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from imagewright.dataclass import dataclass

OnLine = Callable[[str], None]
LONGEST_LINE = 1 << 16
"""Bytes; a line that is longer comes in pieces."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """``status`` is as `subprocess.Popen.returncode`."""

    status: int
    timed_out: bool
    stopped: bool
    seconds: float


class Killable(Protocol):
    """A process that can be told to end."""

    def kill(self) -> None:
        """Let it end."""


class Stop:
    """Ends all processes that were given to it, and those that come later. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Killable] = set()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def stop(self) -> None:
        """Kill what runs."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    def enter(self, process: Killable) -> None:
        """Take a process in."""
        with self._lock:
            self._running.add(process)
            if self._stopped:
                process.kill()

    def leave(self, process: Killable) -> None:
        """A process has ended."""
        with self._lock:
            self._running.discard(process)


class Ward:
    """The child that a program does its work in, which may wait for the program: both end together, the child first.

    bwrap starts the sandbox's first process, names it, and then tells it to go on. When bwrap is killed before that, the
    process waits for ever and holds the pipes open. So an end that is asked for waits until the child is known, which
    bwrap's is within milliseconds, but for ``patience_seconds`` at most.
    """

    def __init__(self, patience_seconds: float = 5.0) -> None:
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._program: subprocess.Popen[bytes] | None = None
        self._child = -1
        self._known = False
        self._asked: float | None = None

    def found(self, child: int) -> None:
        """The program has named its child."""
        with self._lock:
            if not self._known:
                self._known = True
                with suppress(ProcessLookupError):
                    self._child = os.pidfd_open(child)
            if self._asked is not None:
                self._end()

    def kill(self) -> None:
        """Let both end, at once or as soon as the child is known."""
        with self._lock:
            if self._asked is None:
                self._asked = time.monotonic()
            if self._known:
                self._end()

    def _enter(self, program: "subprocess.Popen[bytes]") -> None:
        self._program = program

    def _watch(self) -> float | None:
        """End what has named no child for too long; the seconds until this is to be called again, None for never."""
        if self._known:
            return None
        if self._asked is not None and time.monotonic() - self._asked > self._patience_seconds:
            with self._lock:
                self._end()
        return self._patience_seconds

    def _end(self) -> None:
        assert self._program is not None
        self._program.send_signal(signal.SIGSTOP)  # it would end by itself, and not as one that was killed
        if self._child >= 0:
            with suppress(OSError):  # it is gone, or another user by now: then bwrap's end is its end
                signal.pidfd_send_signal(self._child, signal.SIGKILL)
        self._program.kill()

    def _close(self) -> None:
        with self._lock:
            if self._child >= 0:
                os.close(self._child)
            self._child = -1


def run_process(
    argv: Sequence[str],
    *,
    on_stdout: OnLine,
    on_stderr: OnLine,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    watch: Mapping[int, Callable[[bytes], None]] | None = None,
    timeout_seconds: float | None = None,
    stop: Stop | None = None,
    ward: Ward | None = None,
) -> ProcessEnd:
    """Run a program to its end; also when this is left by an exception, it and what holds its output are gone.

    A ``ward`` is for one program; one of the watchers tells it when the child is known.

    Every line goes to its callback on this thread, without its end. ``watch`` are more descriptors to read, of which
    this takes possession; each gets the bytes that come. ``pass_fds`` are closed here once the child has them.
    """
    began = time.monotonic()
    stop = stop or Stop()
    extra = dict(watch or {})
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            env=None if environment is None else dict(environment),
        )
    except BaseException:
        for descriptor in extra:
            os.close(descriptor)
        raise
    finally:
        for descriptor in pass_fds:
            os.close(descriptor)
    if ward is not None:
        ward._enter(process)
    running = ward or process
    stop.enter(running)
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = _Lines(on_stdout), _Lines(on_stderr)
    readers = {process.stdout.fileno(): out.feed, process.stderr.fileno(): err.feed, **extra}
    extra[ended := os.pidfd_open(process.pid)] = lambda data: None
    try:
        timed_out = _pump(process, ended, readers, None if timeout_seconds is None else began + timeout_seconds, ward)
        out.end()
        err.end()
    except BaseException:
        running.kill()
        unheard = {descriptor: _quietly((watch or {}).get(descriptor)) for descriptor in readers}
        _pump(process, ended, unheard, None, ward)
        raise
    finally:
        stop.leave(running)
        if ward is not None:
            ward._close()
        process.stdout.close()
        process.stderr.close()
        for descriptor in extra:
            os.close(descriptor)
    killed = process.returncode == -signal.SIGKILL
    return ProcessEnd(process.returncode, timed_out and killed, stop.stopped and killed, time.monotonic() - began)


def _pump(
    process: "subprocess.Popen[bytes]",
    ended: int,
    readers: Mapping[int, Callable[[bytes], None]],
    deadline: float | None,
    ward: Ward | None,
) -> bool:
    """Hand on what comes until the process has ended and all ends of its pipes are closed; whether time ran out."""
    timed_out = False
    with selectors.DefaultSelector() as selector:
        for descriptor in (*readers, ended):
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = None if deadline is None or timed_out else max(deadline - time.monotonic(), 0)
            tick = ward._watch() if ward is not None else None
            for key, _ in selector.select(min((one for one in (left, tick) if one is not None), default=None)):
                data = b"" if key.fd == ended else os.read(key.fd, 1 << 16)
                if key.fd == ended and ward is not None and (process.poll() or 0) < 0:
                    ward.kill()  # a signal from elsewhere: Ctrl-C goes to all of a terminal's programs
                if data:
                    readers[key.fd](data)
                else:
                    selector.unregister(key.fd)
            if deadline is not None and not timed_out and time.monotonic() >= deadline:
                timed_out = True
                (ward or process).kill()
    process.wait()
    return timed_out


def _quietly(watcher: Callable[[bytes], None] | None) -> Callable[[bytes], None]:
    """The watcher, if there is one, when nobody hears any more what it has to say."""

    def watch(data: bytes) -> None:
        with suppress(Exception):
            if watcher is not None:
                watcher(data)

    return watch


class _Lines:
    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._say(line)
        if len(self._rest) >= LONGEST_LINE:
            self._say(self._rest)
            self._rest = b""

    def end(self) -> None:
        if self._rest:
            self._say(self._rest)
            self._rest = b""

    def _say(self, line: bytes) -> None:
        text = line.removesuffix(b"\r")
        for start in range(0, max(len(text), 1), LONGEST_LINE):
            self._on_line(text[start : start + LONGEST_LINE].decode("utf-8", "replace"))
