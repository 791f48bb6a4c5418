"""Ctrl-C and SIGTERM end the program whatever its threads do."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

# A worker that never comes to an end, and a main thread that waits for it as `run_all` does.
STUCK = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from imagewright.cli import signals

signals.PATIENCE_SECONDS = float(sys.argv[1])
signals.catch_signals()
begun = threading.Event()

def work():
    begun.set()
    threading.Event().wait()

try:
    with signals.temporary_folder() as folder, ThreadPoolExecutor(1) as pool:
        open(folder + "/file", "w").close()
        future = pool.submit(work)
        begun.wait()
        try:
            print("ready", flush=True)
            future.result()
        except BaseException:
            print("stopping", flush=True)
            raise
except KeyboardInterrupt:
    sys.exit(signals.INTERRUPTED)
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


def begin(script: str, *, patience: float, **environ: str) -> "subprocess.Popen[str]":
    """A script that has said that it is ready. It is killed when it hangs: reading a line has no time limit."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(patience)],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(30, process.kill)
    watchdog.daemon = True
    watchdog.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_thread_that_does_not_end_is_not_waited_for(number: signal.Signals, code: int) -> None:
    """The program leaves with the signal's exit code, and says what happened."""
    process = begin(STUCK, patience=0.1)

    process.send_signal(number)
    _, err = process.communicate(timeout=20)

    assert process.returncode == code
    assert "What was finished is kept." in err


def test_a_temporary_folder_goes_whatever_threads_do(tmp_path: Path) -> None:
    """Containers' inputs and outputs can be large, and nobody looks for them there."""
    process = begin(STUCK, patience=0.1, TMPDIR=str(tmp_path))
    assert [path.name for path in tmp_path.glob("imagewright-*/*")] == ["file"]

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert list(tmp_path.iterdir()) == []


def test_the_first_moments_count(tmp_path: Path) -> None:
    """Ctrl-C while the program is still being imported is no traceback."""
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")

    done = subprocess.run(
        [sys.executable, "-c", "import sys; from imagewright.cli.main import main; sys.exit(main(['--help']))"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nInterrupted. What was finished is kept.\n")


def test_the_last_moments_count() -> None:
    """A second Ctrl-C while Python takes itself down does not change the exit code."""
    last = "class Last:\n    def __del__(self, end=os.kill, me=os.getpid()):\n        end(me, 2)\n"
    process = begin("import os\n" + last + "last = Last()\n" + ENDS, patience=1000)

    process.send_signal(signal.SIGINT)

    assert process.communicate(timeout=20) == ("cleaned up\n", "")
    assert process.returncode == 130


def test_what_ends_in_time_cleans_up_after_itself() -> None:
    """KeyboardInterrupt goes its ordinary way."""
    process = begin(ENDS, patience=1000)

    process.send_signal(signal.SIGINT)

    assert process.communicate(timeout=20) == ("cleaned up\n", "")
    assert process.returncode == 130


def test_the_second_ctrl_c_counts_at_once() -> None:
    """However much patience there is left."""
    process = begin(STUCK, patience=1000)
    assert process.stdout is not None

    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert process.returncode == 130


def test_the_end_skips_what_only_gives_memory_back() -> None:
    """All output is out, what was registered for the exit is done, the code is right; nothing is taken apart."""
    script = """
import atexit, sys
from imagewright.cli.signals import without_teardown

class Torn:
    def __del__(self):
        print("torn down")

ended = without_teardown()
atexit.register(print, "registered")
torn = Torn()
print("last words")
ended(3)
sys.exit(3)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "last words\nregistered\n", "")


def test_output_that_cannot_be_written_is_no_success() -> None:
    """A full disk behind stdout gives an exit code, also when it only shows at the end."""
    command = [sys.executable, "-c", "from imagewright.cli.main import main; raise SystemExit(main())", "--version"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=30)

    assert ended.returncode != 0
