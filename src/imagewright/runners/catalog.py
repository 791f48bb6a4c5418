"""Runners by name: ours and everybody's, through the same door."""

from importlib.metadata import entry_points
from typing import cast

from imagewright.errors import RunnerError
from imagewright.runners.protocol import Runner, RunnerFactory, Setup

GROUP = "imagewright.runners"


def runner_named(name: str, setup: Setup) -> Runner:
    """A runner of the kind whose entry point has exactly this name.

    Raises:
        RunnerError: No installed package brings it.
    """
    found = entry_points(group=GROUP)
    for entry in found:
        if entry.name == name:
            return cast(RunnerFactory, entry.load())(setup)
    names = ", ".join(sorted({entry.name for entry in found}))
    raise RunnerError(
        f"there is no runner {name!r} here",
        why=f"installed runners: {names or 'none'}",
        fix=f"install the package that brings it (an entry point of the group {GROUP}), or use 'container'",
    )
