"""Ctrl-C and SIGTERM: stop within two seconds, and at once when asked again.

What is written is complete or absent at every moment, containers die with this process, and programs that it has
started get the Ctrl-C as well: so it may leave without waiting for threads that are in the middle of something.
"""

import os
import signal
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
TERMINATED = 143
PATIENCE_SECONDS = 1.5  # for threads to come to an end and temporary folders to be removed

MESSAGE = "Interrupted. What was finished is kept."


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


def leave_quietly(code: int) -> None:
    """What has to be said was said: end with ``code`` when the time is over, and say no more."""
    _on_end(code, "")


def _leave_soon(code: int) -> None:
    _on_end(code, f"\n{MESSAGE}\n")
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)


def _on_end(code: int, message: str) -> None:
    def leave(number: int, frame: FrameType | None) -> NoReturn:
        # Not by the console: whoever holds its lock may be what does not come to an end.
        os.write(2, message.encode())
        os._exit(code)

    for again in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(again, leave)
