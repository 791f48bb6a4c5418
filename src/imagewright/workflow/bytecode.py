"""Which code may come from a cache of bytecode that outlives the container.

A place that runs tasks may keep one for each image and give it as PYTHONPYCACHEPREFIX: without it every task compiles
what it imports anew (pandas and scikit-learn: 9 s of 12). Python tells by a file's time and size whether it changed.
An image's files never do; but the files of a run do, and in a layer they all have one time. So those are left out.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from typing import Any


def compile_anew(root: Path) -> None:
    """Let nothing below ``root`` come from the cache, or go to it."""
    top = str(root.absolute())
    loaders: Any = (
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_Uncached, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )

    def finder(path: str) -> FileFinder:
        if path != top and not path.startswith(top + os.sep):
            raise ImportError(f"{path} is not below {top}")
        return FileFinder(path, *loaders)

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.pop(top, None)


class _Uncached(SourceFileLoader):
    def path_stats(self, path: Any) -> Any:
        # Source: Python's importlib.abc.SourceLoader.path_stats: with OSError there is no bytecode for the path.
        raise OSError(f"{path} is compiled each time")
