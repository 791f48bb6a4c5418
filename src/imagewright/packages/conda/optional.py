"""The optional packages that conda packages need: py-rattler solves, a zstd library unpacks."""

import importlib.util
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

from imagewright.errors import LockError, Where

EXTRA = "conda"


def check_installed(where: Where | None = None) -> None:
    """See that they are there, before any work is done.

    Raises:
        LockError: One is not (IW211); the text names the extra.
    """
    missing = [
        name
        for name, modules in (("py-rattler", ("rattler",)), ("backports.zstd", ("compression.zstd", "backports.zstd")))
        if not any(map(_is_there, modules))
    ]
    if missing:
        raise LockError(
            f"conda_packages need {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed here",
            code="IW211",
            why="they are large, so they come with an extra of their own",
            fix=f'pip install "imagewright[{EXTRA}]"',
            where=where,
        )


def zstd_file(packed: IO[bytes]) -> IO[bytes]:
    """The plain bytes of a zstd stream, as a file."""
    try:
        module: Any = import_module("compression.zstd")
    except ImportError:
        module = import_module("backports.zstd")
    opened: Callable[[IO[bytes]], IO[bytes]] = module.ZstdFile
    return opened(packed)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
