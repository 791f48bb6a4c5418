"""Ctrl-C and SIGTERM end the program whatever its threads do."""

import signal
import subprocess
import sys

import pytest

# A worker that never comes to an end, and a main thread that waits for it as `run_all` does.
STUCK = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from imagewright.cli.signals import INTERRUPTED, catch_signals

catch_signals()
begun = threading.Event()

def work():
    begun.set()
    threading.Event().wait()

try:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        begun.wait()
        print("ready", flush=True)
        future.result()
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)
"""

ENDS = """
import sys, threading
from imagewright.cli.signals import INTERRUPTED, catch_signals

catch_signals()
try:
    print("ready", flush=True)
    threading.Event().wait()
except KeyboardInterrupt:
    print("cleaned up", flush=True)
    sys.exit(INTERRUPTED)
"""


def end(script: str, *signals: signal.Signals) -> tuple[int, str, str]:
    """Exit code and output of a script that was sent these signals once it said that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for each in signals:
        process.send_signal(each)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_thread_that_does_not_end_is_not_waited_for(number: signal.Signals, code: int) -> None:
    """The program leaves with the signal's exit code, and says what happened."""
    returncode, _, err = end(STUCK, number)

    assert returncode == code
    assert "What was finished is kept." in err


def test_what_ends_in_time_cleans_up_after_itself() -> None:
    """KeyboardInterrupt goes its ordinary way."""
    assert end(ENDS, signal.SIGINT) == (130, "cleaned up\n", "")


def test_the_second_ctrl_c_counts_at_once() -> None:
    """Nobody has to press it a third time."""
    assert end(STUCK, signal.SIGINT, signal.SIGINT)[0] == 130
