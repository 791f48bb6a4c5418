"""How a task's container ended, and what that means for the call."""

import signal
from pathlib import Path

from imagewright.errors import TaskError
from imagewright.runners.handover import ERROR, read_result
from imagewright.runners.protocol import TaskCall, TaskResult
from imagewright.sandbox.bubblewrap import Ended

_MEANS = {
    signal.SIGSEGV: "it used memory that is not its own: most often a fault in a compiled package",
    signal.SIGABRT: "it gave up: most often a fault in a compiled package",
    signal.SIGILL: "it has instructions that this processor does not know",
    signal.SIGBUS: "it used memory that is not there",
    signal.SIGKILL: "it was killed from outside, or the machine ran out of memory",
    signal.SIGTERM: "it was asked to end",
}


def result_of(call: TaskCall, ended: Ended, outputs: Path, last_lines: tuple[str, ...]) -> TaskResult:
    """What the call returned; ``last_lines`` are the end of its stderr, for a call that says nothing else.

    Raises:
        TaskError: IW311 (time), IW312 (memory), or IW310 with the task's own traceback, its signal or its exit code.
    """
    if ended.stopped:
        raise TaskError(f"task '{call.title}' was stopped", where=call.where)
    if ended.timed_out:
        raise TaskError(
            f"task '{call.title}' did not end within its time limit of {call.timeout_seconds:g} s",
            code="IW311",
            why="its container was ended, with all that ran in it",
            fix="@task(timeout=...) with more time, or none",
            where=call.where,
        )
    if ended.out_of_memory:
        raise _out_of_memory(call, "the kernel ended a process of its container")
    # Without memory Python may be unable to write its error down, and then says it on stderr at most.
    starved = ended.memory_limit == "process" and any(line.startswith("MemoryError") for line in last_lines)
    if ended.exit_code == 0 or (ended.exit_code == 1 and (outputs / ERROR).exists()):
        try:
            return read_result(call, outputs)
        except TaskError as error:
            if starved or (ended.memory_limit == "process" and "raised MemoryError" in error.what):
                raise _out_of_memory(call, "it raised MemoryError", error.traceback) from error
            raise
    if starved:
        raise _out_of_memory(call, "it raised MemoryError")
    raise TaskError(
        f"task '{call.title}' ended with " + _how(ended),
        why=[_MEANS[ended.signal]] if ended.signal in _MEANS else [f"| {line}" for line in last_lines],
        where=call.where,
    )


def _how(ended: Ended) -> str:
    return f"signal {ended.signal.name}" if ended.signal is not None else f"exit code {ended.exit_code}"


def _out_of_memory(call: TaskCall, why: str, traceback: str = "") -> TaskError:
    return TaskError(
        f"task '{call.title}' used more than its {_mib(call.memory_bytes or 0)} of memory",
        code="IW312",
        why=why,
        traceback=traceback,
        fix="@task(memory=...) with more, or work on smaller pieces",
        where=call.where,
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
