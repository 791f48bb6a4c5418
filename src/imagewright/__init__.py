"""Declare a container image in Python, bind it to a task, and have it built and run in seconds.

This package's top and ``imagewright.flow`` are what a task container holds: standard library, Python 3.9 and later.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagewright.flow.task import task
    from imagewright.flow.workflow import workflow
    from imagewright.spec import ImageSpec
    from imagewright.spec.copy_mode import CopyFileDetection

__all__ = ["CopyFileDetection", "ImageSpec", "task", "workflow"]
__version__ = "0.1.0"

_HOMES = {
    "CopyFileDetection": "imagewright.spec.copy_mode",
    "ImageSpec": "imagewright.spec",
    "task": "imagewright.flow.task",
    "workflow": "imagewright.flow.workflow",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for: a command that needs none of them does not pay for them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'imagewright' has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOMES[name]), name)
    return value
