"""Task calls run right here: in this process, one after the other, values passed as they are."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout

from imagewright.errors import TaskError
from imagewright.events import Listener, Noted
from imagewright.flow.entrypoint import failure
from imagewright.flow.load import is_absent, needs
from imagewright.flow.returned import check_returned
from imagewright.runners.protocol import Setup, TaskCall, TaskResult


class InProcessRunner:
    """Calls the tasks' functions. What they print goes to stderr as it comes: stdout is for the run's result.

    Limits of time and memory need a process of their own, and are not kept here; that is said.
    """

    def __init__(self, setup: Setup) -> None:
        self._tasks: Mapping[str, object] = setup.tasks
        self._noted: set[str] = set()

    @property
    def jobs(self) -> int:
        """One: tasks in one process share its working directory, its signals and much else."""
        return 1

    def run(self, call: TaskCall, listen: Listener) -> TaskResult:
        """Call the function on this thread."""
        if (call.timeout_seconds or call.memory_bytes) and call.task not in self._noted:
            self._noted.add(call.task)
            listen(
                Noted(
                    f"task '{call.title}' runs here without its limits of time and memory; run --container keeps them"
                )
            )
        function = self._tasks[call.task]
        assert callable(function)
        try:
            with redirect_stdout(sys.stderr):
                value = function(**call.arguments)
        except ModuleNotFoundError as error:
            if error.name and is_absent(error.name, call.root):
                raise _absent(call, error) from error
            raise failure(call.title, error) from error
        except (Exception, SystemExit) as error:
            raise failure(call.title, error) from error
        check_returned(call.title, function, value)
        return TaskResult(value)

    def stop(self) -> None:
        """Nothing: an interrupt reaches the task itself, on the thread that it is on."""


def _absent(call: TaskCall, error: ModuleNotFoundError) -> TaskError:
    """IW110 for a task: its image would have the package."""
    told = needs(f"task '{call.title}'", error)
    inside = f"run it inside its image: imagewright run --container {call.file}"
    return TaskError(told.what, code=told.code, fix=[inside, *told.fix], where=told.where or call.where)
