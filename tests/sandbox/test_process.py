"""Lines, time limits and ends of a child process."""

import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from imagewright.sandbox.process import LONGEST_LINE, ProcessEnd, Stop, Ward, run_process

Heard = list[tuple[str, str]]


def run(code: str, heard: Heard, *, timeout_seconds: float | None = None, stop: Stop | None = None) -> ProcessEnd:
    return run_process(
        [sys.executable, "-ISc", code],
        on_stdout=lambda line: heard.append(("out", line)),
        on_stderr=lambda line: heard.append(("err", line)),
        timeout_seconds=timeout_seconds,
        stop=stop,
    )


def test_lines_come_without_their_ends() -> None:
    """Both streams come line by line; a last line without an end counts, and bytes that are not UTF-8 stop nothing."""
    heard: Heard = []
    code = r"import sys; o=sys.stdout.buffer; o.write(b'a\r\n\nb\xff'); o.flush(); sys.stderr.write('e\n'); sys.exit(3)"

    end = run(code, heard)

    assert [text for stream, text in heard if stream == "out"] == ["a", "", "b\ufffd"]
    assert [text for stream, text in heard if stream == "err"] == ["e"]
    assert (end.status, end.timed_out, end.stopped) == (3, False, False)


def test_a_line_without_end_comes_in_pieces() -> None:
    """A program that writes without line ends costs bounded memory."""
    heard: Heard = []

    run(f"print('x' * {LONGEST_LINE * 3 + 5})", heard)

    assert "".join(text for _, text in heard) == "x" * (LONGEST_LINE * 3 + 5)
    assert max(len(text) for _, text in heard) <= LONGEST_LINE


def test_a_process_that_closed_its_output_still_has_a_time_limit() -> None:
    """The time limit holds for the process, not for its pipes."""
    end = run("import os,signal; os.close(1); os.close(2); signal.pause()", [], timeout_seconds=0.5)

    assert end.timed_out
    assert end.status == -signal.SIGKILL


def test_stop_ends_what_runs_and_what_comes() -> None:
    """One call from another thread ends a process at once, and one that starts later."""
    stop = Stop()
    started = threading.Event()

    def hear(line: str) -> None:
        started.set()

    def end_it() -> None:
        started.wait(30)
        stop.stop()

    other = threading.Thread(target=end_it)
    other.start()
    code = "import signal; print('up', flush=True); signal.pause()"
    first = run_process([sys.executable, "-ISc", code], on_stdout=hear, on_stderr=hear, stop=stop)
    other.join()
    second = run("import signal; signal.pause()", [], stop=stop)

    assert first.stopped
    assert second.stopped


def test_an_exception_leaves_no_process() -> None:
    """When a callback fails, the process is ended before the exception goes on."""

    def fail(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    pids: list[int] = []
    code = "import os,signal; print(os.getpid(), flush=True); signal.pause()"

    with pytest.raises(KeyboardInterrupt):
        run_process([sys.executable, "-ISc", code], on_stdout=fail, on_stderr=fail)

    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_program_that_is_not_there() -> None:
    """A program that cannot be started is an error of the caller's, with nothing left open."""
    heard: list[str] = []

    with pytest.raises(FileNotFoundError):
        run_process(["/nonexistent"], on_stdout=heard.append, on_stderr=heard.append)


NAMING = """
import os, signal, sys
child = os.fork()
if child == 0:
    signal.pause()
print("begun", flush=True)
os.write(int(sys.argv[1]), b"%d\\n" % child)
{then}
"""
"""A program as bwrap is one: its child holds the pipes, does not end with it, and is named on a descriptor."""


def _with_ward(code: str, *, on_begun: Callable[[Stop], None], timeout_seconds: float | None = None) -> ProcessEnd:
    told, tell = os.pipe2(os.O_CLOEXEC)
    ward, stop = Ward(patience_seconds=0.2), Stop()
    return run_process(
        [sys.executable, "-ISc", code, str(tell)],
        on_stdout=lambda line: on_begun(stop),
        on_stderr=print,
        pass_fds=[tell],
        watch={told: lambda data: ward.found(int(data))},
        timeout_seconds=timeout_seconds,
        stop=stop,
        ward=ward,
    )


def test_a_child_that_waits_for_a_killed_program_ends_as_well() -> None:
    """Also when the end is asked for before the child is known: then it waits for its name."""
    at_once = _with_ward(NAMING.format(then="signal.pause()"), on_begun=Stop.stop)
    late = _with_ward(NAMING.format(then="signal.pause()"), on_begun=lambda stop: None, timeout_seconds=0.5)

    assert (at_once.stopped, at_once.status) == (True, -signal.SIGKILL)
    assert (late.timed_out, late.status) == (True, -signal.SIGKILL)


def test_an_exception_ends_the_child_as_well() -> None:
    """What the program still says about it is heard."""

    def fail(stop: Stop) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _with_ward(NAMING.format(then="signal.pause()"), on_begun=fail)


def test_a_program_that_is_killed_by_others_takes_its_child_along() -> None:
    """As Ctrl-C does it: it goes to every program of the terminal."""
    end = _with_ward(NAMING.format(then="os.kill(os.getpid(), signal.SIGTERM)"), on_begun=lambda stop: None)

    assert (end.status, end.stopped, end.timed_out) == (-signal.SIGTERM, False, False)


def test_a_program_that_names_no_child_ends_all_the_same() -> None:
    """After the time in which it could have."""
    end = _with_ward("import signal; print('begun', flush=True); signal.pause()", on_begun=Stop.stop)

    assert end.stopped
