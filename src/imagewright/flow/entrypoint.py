"""One call of a task, in its own process: load the code, read the arguments, call, write the result.

``python -m imagewright.flow.entrypoint --root DIR --task app:total --inputs DIR --outputs DIR`` ends with 0 and
``values.json`` in the outputs, or with 1 and ``error.json`` there. stdout and stderr are the task's. Only the task's own
module is loaded: another file of the run may import what this task's image does not have.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from imagewright.errors import ImagewrightError, TaskError, UsageError, Where
from imagewright.flow.callsite import line_of, ours
from imagewright.flow.returned import check_returned

if TYPE_CHECKING:
    from traceback import TracebackException

RESULT = "result"
ERROR = "error.json"
TRACEBACK_LENGTH = 100_000  # characters of a traceback that are kept, its end


def main(arguments: list[str]) -> int:
    """Run the call that the command line names, and return the exit code."""
    options = dict(zip(arguments[::2], arguments[1::2]))
    try:
        root, name = Path(options["--root"]), options["--task"]
        inputs, outputs = Path(options["--inputs"]), Path(options["--outputs"])
    except KeyError as missing:
        sys.stderr.write(f"imagewright.flow.entrypoint: {missing} is missing; this command is imagewright's own\n")
        return 2
    try:
        run(root, name, inputs, outputs)
    except ImagewrightError as error:
        _write_error(outputs, root, error)
        return 1
    finally:
        _flush()
    return 0


def run(root: Path, name: str, inputs: Path, outputs: Path) -> None:
    """Call the task ``module:qualified.name`` of the code at ``root`` with the values in ``inputs``, write what it returns.

    Raises:
        TaskError: The task raised, its image lacks a package, or a value cannot be passed.
        UsageError: The task's file cannot be loaded here.
    """
    from imagewright.flow.load import is_absent, load_module
    from imagewright.flow.names import find
    from imagewright.flow.values import read_values, write_values

    module, _, title = name.partition(":")
    try:
        load_module(module, root)
    except UsageError as error:
        if error.code == "IW110" and isinstance(error.__cause__, ModuleNotFoundError):
            raise _not_in_image(title, error.__cause__) from error
        raise
    try:
        found = find(name)
        function = found.function
    except (ImportError, AttributeError) as error:
        raise TaskError(
            f"task '{title}' is not found where it runs: {name}",
            why=f"{type(error).__name__}: {error}",
            fix="define it at the top of a module, with @task as its topmost decorator, and not only under a condition",
        ) from error
    arguments = read_values(inputs, of=f"task '{title}'")
    try:
        value = function(**arguments)
    except ModuleNotFoundError as error:
        raise _not_in_image(title, error) if is_absent(error.name or "", root) else failure(title, error) from error
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise failure(title, error) from error
    check_returned(title, function, value)
    write_values({RESULT: value}, outputs, of=f"task '{title}'")


def failure(title: str, error: BaseException) -> TaskError:
    """What a task raised, as an error with the task's own traceback: our frames are left out."""
    begin = error.__traceback__
    while begin is not None and ours(begin.tb_frame.f_code.co_filename):
        begin = begin.tb_next
    from traceback import TracebackException  # 3 ms of a task's start, for one that fails

    told = TracebackException(type(error), error, error.__traceback__)
    _leave_out_ours(told)
    said = str(error)
    return TaskError(
        f"task '{title}' raised {type(error).__name__}" + (f": {said}" if said else ""),
        traceback="".join(told.format())[-TRACEBACK_LENGTH:],
        where=_last_line(begin),
    )


def _leave_out_ours(told: TracebackException) -> None:
    """Take our frames out of the traceback, and out of those of its causes: a task may call a task."""
    from traceback import StackSummary

    seen: set[int] = set()
    left = [told]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        each.stack = StackSummary.from_list([frame for frame in each.stack if not ours(frame.filename)])
        left += [other for other in (each.__cause__, each.__context__) if other is not None]
        left += getattr(each, "exceptions", None) or []


def _not_in_image(title: str, error: ModuleNotFoundError) -> TaskError:
    from imagewright.flow.load import needs

    told = needs(f"task '{title}'", error)
    module = (error.name or "").partition(".")[0]
    return TaskError(
        told.what.replace("is not installed in this environment", "its image does not have"),
        fix=[
            "add it to the packages of the task's image",
            f"or, when only other tasks need it: import {module} inside them, or under `if image.is_container():`",
        ],
        where=told.where,
    )


def _last_line(begin: TracebackType | None) -> Where | None:
    """Where the innermost frame of the task's own file was: the line to look at first."""
    if begin is None:
        return None
    own = begin.tb_frame.f_code.co_filename
    found, step = begin, begin.tb_next
    while step is not None:
        if step.tb_frame.f_code.co_filename == own:
            found = step
        step = step.tb_next
    return line_of(own, found.tb_lineno)


def _write_error(outputs: Path, root: Path, error: ImagewrightError) -> None:
    where: Any = None
    if error.where is not None:
        # Relative to the code, which lies elsewhere on the machine that reads this.
        file = os.path.relpath(error.where.file, root)
        where = {"file": file, "line": error.where.line, "text": error.where.text}
    document = {
        "code": error.code,
        "what": error.what,
        "why": list(error.why),
        "fix": list(error.fix),
        "traceback": error.traceback if isinstance(error, TaskError) else "",
        "where": where,
    }
    outputs.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document)
    try:
        (outputs / ERROR).write_text(text, encoding="utf-8")
    except OSError:  # no space: what the result has taken of it is of no use any more
        import shutil  # a start does without it

        for path in outputs.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (outputs / ERROR).write_text(text, encoding="utf-8")


def _flush() -> None:
    """Write out what the task printed; a stream that it closed or broke is its own affair."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()


if __name__ == "__main__":
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]  # python -m puts the working directory there; what lies in it is not the task's code
    sys.exit(main(sys.argv[1:]))
