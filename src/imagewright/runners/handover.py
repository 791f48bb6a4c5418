"""A call's values on their way into another process, and its result on the way back: what runners share.

In between, that process runs the command given here, with the inputs' folder mounted read-only, and an empty folder
for the outputs.
"""

import json
import os
from pathlib import Path, PurePath
from typing import Any

from imagewright.errors import TaskError, Where
from imagewright.flow.values import read_encoded, write_values
from imagewright.runners.protocol import TaskCall, TaskResult

ERROR = "error.json"
RESULT = "result"
READ_LIMIT = 1 << 20  # bytes of an error that a task left behind


def write_inputs(call: TaskCall, folder: Path) -> None:
    """Write the call's arguments into ``folder``, which is made.

    Raises:
        TaskError: IW313, an argument cannot be passed.
    """
    write_values(call.arguments, folder, of=f"task '{call.title}'")


def entrypoint(call: TaskCall, *, python: str, code: PurePath, inputs: PurePath, outputs: PurePath) -> list[str]:
    """The command that runs the call where its code is at ``code``; all paths as that place sees them.

    It ends with 0 and a result in ``outputs``, or with 1 and an error there. Any other end was not its own doing.
    """
    command = [python, "-m", "imagewright.flow.entrypoint", "--root", str(code), "--task", call.task]
    return [*command, "--inputs", str(inputs), "--outputs", str(outputs)]


def read_result(call: TaskCall, outputs: Path) -> TaskResult:
    """What the call left in ``outputs``, still encoded.

    Raises:
        TaskError: What the task raised; or IW310, it left neither a result nor an error.
    """
    error = outputs / ERROR
    if os.path.lexists(error):
        raise _error(call, error)
    try:
        return TaskResult(read_encoded(outputs)[RESULT])
    except (ValueError, KeyError) as missing:
        raise TaskError(
            f"task '{call.title}' ended without a result",
            why=["its process was ended from outside, or ended itself (os._exit)", str(missing)],
            where=call.where,
        ) from missing


def _error(call: TaskCall, path: Path) -> TaskError:
    """The error in a file that the task's process wrote. It may hold anything."""
    try:
        if path.is_symlink():
            raise ValueError("it is a link")
        with path.open("rb") as file:
            read = json.loads(file.read(READ_LIMIT))
        where = read["where"]
        return TaskError(
            str(read["what"]),
            code=str(read["code"]),
            why=_lines(read["why"]),
            fix=_lines(read["fix"]),
            traceback=str(read["traceback"]),
            where=_where(call, where) if where else call.where,
        )
    except (OSError, ValueError, KeyError, TypeError) as unreadable:
        return TaskError(
            f"task '{call.title}' failed, and left no readable reason", why=str(unreadable), where=call.where
        )


def _lines(read: Any) -> list[str]:
    if not isinstance(read, list):
        raise TypeError("not a list")
    return [str(line) for line in read]


def _where(call: TaskCall, read: Any) -> Where:
    """A place in the user's code: relative to the code there, so that it can be found here."""
    file = call.root / str(read["file"])
    return Where(str(file), int(read["line"]), str(read["text"]))
