"""A command on a root filesystem with a person before it: its streams are this process's, a terminal if these are one."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imagewright.sandbox.bubblewrap import CannotStart, Command, command_line
from imagewright.sandbox.bwrap import Bubblewrap
from imagewright.sandbox.stack import Stack
from imagewright.sandbox.users import find_user

_PIECE = 1 << 16


def run_interactive(bubblewrap: Bubblewrap, stack: Stack, command: Command) -> int:
    """The exit code of the command. What it writes to the file system is gone at its end.

    Where this process has a terminal, the command gets one of its own, so that it has job control and cannot type into
    this process's.

    Raises:
        CannotStart: The image does not have the command.
        UnknownUser: The image does not have the user.
    """
    _check_there(stack, command)
    user = find_user(command.user, stack.read("/etc/passwd"), stack.read("/etc/group"))
    terminal = os.isatty(0) and os.isatty(1)
    line, descriptors = command_line(bubblewrap, stack, command, user, session=not terminal)
    try:
        if terminal:
            return _on_terminal(line, descriptors)
        return subprocess.run(line, pass_fds=descriptors, env={}, check=False).returncode
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _check_there(stack: Stack, command: Command) -> None:
    name = command.argv[0]
    folders = command.env.get("PATH", "").split(":")
    places = [name] if "/" in name else [f"{folder}/{name}" for folder in folders if folder.startswith("/")]
    if not any(stack.exists(os.path.join(command.workdir, place)) for place in places):
        raise CannotStart(f"the image has no {name!r}" + ("" if "/" in name else f" on {':'.join(folders)}"))


def _on_terminal(line: list[str], descriptors: list[int]) -> int:
    ours, theirs = pty.openpty()
    try:
        _copy_size(theirs)
        process = subprocess.Popen(
            line,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            pass_fds=descriptors,
            env={},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # no thread of this process runs any more
        )
    finally:
        os.close(theirs)
    try:
        with _raw(), _following_size(ours):
            _carry(ours)
        return process.wait()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _carry(ours: int) -> None:
    """Both ways, until nobody is left at the other end."""
    sources = [0, ours]
    while True:
        for source in select.select(sources, [], [])[0]:
            try:
                data = os.read(source, _PIECE)
            except OSError:  # Linux says EIO when the last process at the other end has closed it
                data = b""
            if not data and source == ours:
                return
            if not data:
                sources.remove(0)
            target = 1 if source == ours else ours
            while data:
                data = data[os.write(target, data) :]


@contextmanager
def _raw() -> Iterator[None]:
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is kept
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _following_size(ours: int) -> Iterator[None]:
    def changed(number: int, frame: FrameType | None) -> None:
        _copy_size(ours)

    before = signal.signal(signal.SIGWINCH, changed)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_size(terminal: int) -> None:
    size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)


def best_shell(stack: Stack) -> tuple[str, ...]:
    """The shell that a person would like best of those that the image has."""
    for path in ("/bin/bash", "/usr/bin/bash", "/bin/sh"):
        if stack.exists(path):
            return (path, "-i") if os.isatty(0) else (path,)
    return ("/bin/sh",)
