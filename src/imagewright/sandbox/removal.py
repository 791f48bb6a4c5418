"""Removes folders of unpacked layers."""

import os
from collections.abc import Iterable


def remove(folders: Iterable[str]) -> None:
    """Remove whole folders, also where an ordinary user's directories forbid writing in them."""
    for folder in folders:
        _remove(os.fsencode(folder))


def _remove(folder: bytes) -> None:
    try:
        os.chmod(folder, 0o700)
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _remove(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(folder)
