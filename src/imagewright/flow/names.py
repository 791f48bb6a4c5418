"""Names of classes and functions that resolve alike on the host and in every container: ``module:qualified.name``."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def name_of(thing: Any) -> str | None:
    """``module:qualified.name``, or None when looking that up would not give ``thing`` itself."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if found is thing else None


def find(name: str) -> Any:
    """What ``module:qualified.name`` names; its module is imported.

    Raises:
        ImportError, AttributeError: There is no such module, or no such thing in it.
    """
    module, _, qualified = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    return found
