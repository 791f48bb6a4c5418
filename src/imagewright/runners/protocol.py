"""What a place that runs task calls has to do, and what it is given."""

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from imagewright.dataclass import dataclass
from imagewright.errors import Where
from imagewright.events import Listener


@dataclass(frozen=True, slots=True)
class TaskCall:
    """One call of one task: names and plain values only, so that it can be carried to another machine.

    ``name`` is unique in the run (``squares`` or ``squares-2``) and fit for a file's name. ``task`` is
    ``module:qualified.name``, which `imagewright.flow.entrypoint` takes as ``--task``. The user's code is the tree
    at ``root`` on this machine; ``file`` is the file in it that was asked for, relative to ``root``.

    ``image`` is the pinned reference of the image it wants, "" when none is known to this run; ``declared`` is what
    IMAGEWRIGHT_IMAGE has to be in its container, so that `ImageSpec.is_container` answers rightly there.

    ``arguments`` are Python values that may hold, inside lists, tuples and dicts as well, results of other calls, which
    are whatever this runner returned as `TaskResult.value`. A runner that cannot pass Python objects hands them to
    `imagewright.flow.values.write_values`, which passes an `Encoded` on without decoding it.
    """

    name: str
    task: str
    root: Path
    file: PurePosixPath
    arguments: Mapping[str, Any]
    image: str = ""
    declared: str = ""
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    where: Where | None = None

    @property
    def title(self) -> str:
        """The task's name without its module, as people say it."""
        return self.task.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a call returned: a Python value, or an `Encoded` one from a place that is not this process."""

    value: Any


class Runner(Protocol):
    """A place where task calls run. ``run`` is called from several threads at once, at most ``jobs``.

    With one job it is called on the main thread.
    """

    @property
    def jobs(self) -> int:
        """How many calls it takes at once."""
        ...

    def run(self, call: TaskCall, listen: Listener) -> TaskResult:
        """Run the call to its end. Tells `TaskOutput` for each line; the schedule tells the start and the end.

        Raises:
            TaskError: The task raised (IW310, with its own traceback), ran out of time (IW311) or memory (IW312), or
                its value cannot be passed (IW313).
            RunnerError, SandboxError: The call could not be started.
        """
        ...

    def stop(self) -> None:
        """End the calls that are running, at once: the run was interrupted. Called from another thread than theirs."""
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What every runner may use. ``work`` is an empty folder of this run, removed after it by who made it.

    ``cache`` is the cache root of this machine. ``tasks`` are the run's functions by `TaskCall.task`, for a runner that
    calls them in this process.
    """

    cache: Path
    work: Path
    tasks: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


RunnerFactory = Callable[[Setup], Runner]
"""What an entry point of the group ``imagewright.runners`` names."""
