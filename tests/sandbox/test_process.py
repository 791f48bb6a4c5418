"""Lines, time limits and ends of a child process."""

import os
import signal
import sys
import threading

import pytest

from imagewright.sandbox.process import LONGEST_LINE, ProcessEnd, Stop, run_process

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
