"""Declare a container image in Python, bind it to a task, and have it built and run in seconds.

This package's top and ``imagewright.workflow`` are what a task container holds: standard library, Python 3.9 and later.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagewright.spec import ImageSpec
    from imagewright.workflow.task import task
    from imagewright.workflow.workflow import workflow

__all__ = ["ImageSpec", "task", "workflow"]
__version__ = "0.1.0"

_HOMES = {
    "ImageSpec": "imagewright.spec",
    "task": "imagewright.workflow.task",
    "workflow": "imagewright.workflow.workflow",
}


def __getattr__(name: str) -> object:
    """Load the public names when one is first asked for: a command that needs none of them does not pay for them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'imagewright' has no attribute {name!r}")
    globals().update({public: getattr(import_module(home), public) for public, home in _HOMES.items()})
    return globals()[name]
