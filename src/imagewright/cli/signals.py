"""How the program ends: with Ctrl-C and SIGTERM within two seconds, and at once when asked again; else without a tidy-up.

What is written is complete or absent at every moment, containers die with this process, and programs that it has
started get the Ctrl-C as well: so it may leave without waiting for threads that are in the middle of something.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
TERMINATED = 143
PATIENCE_SECONDS = 1.5  # for threads to come to an end and temporary folders to be removed

MESSAGE = "Interrupted. What was finished is kept."

_folders: set[str] = set()


def catch_signals() -> None:
    """Let SIGINT raise KeyboardInterrupt and SIGTERM end the program, and either end it anyway if that takes too long."""
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _terminated)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    _leave_soon(INTERRUPTED)
    raise KeyboardInterrupt


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    _leave_soon(TERMINATED)
    raise SystemExit(TERMINATED)


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A folder that is removed at the end, also when threads that are still at work are not waited for."""
    from tempfile import TemporaryDirectory  # few commands need it

    with TemporaryDirectory(prefix="imagewright-") as folder:
        _folders.add(folder)
        try:
            yield folder
        finally:
            _folders.discard(folder)


def leave_quietly(code: int) -> None:
    """What has to be said was said: end with ``code`` when the time is over, and say no more."""
    _on_end(code, "")


def without_teardown() -> Callable[[int], None]:
    """For a process that does nothing but this program: what is returned is told the exit code, and when all output is out
    the process ends.

    Python would take every module apart first, 8 ms that only give memory back. What others have registered to be done at
    exit is done.
    """
    codes: list[int] = []
    atexit.register(_leave, codes)  # the first that is registered is the last that is called
    return codes.append


def _leave(codes: list[int]) -> None:
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return  # Python says what is wrong, and has an exit code for it
    if codes:
        os._exit(codes[0])


def _leave_soon(code: int) -> None:
    _on_end(code, f"\n{MESSAGE}\n")
    atexit.register(_end, code)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)


def _on_end(code: int, message: str) -> None:
    def leave(number: int, frame: FrameType | None) -> NoReturn:
        # Not by the console: whoever holds its lock may be what does not come to an end.
        os.write(2, message.encode())
        if _folders:
            import shutil

            for folder in tuple(_folders):
                shutil.rmtree(folder, ignore_errors=True)
        os._exit(code)

    for again in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(again, leave)


def _end(code: int) -> NoReturn:
    """End the process when its threads have ended: what Python does after that takes our handlers away first."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
