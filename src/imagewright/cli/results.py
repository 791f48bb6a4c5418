"""Files that a run in containers returns are kept: the folder that they came in is removed with the run."""

import shutil
from pathlib import Path
from typing import Any

from imagewright.flow.graph import replaced
from imagewright.flow.values import Encoded


def keep_files(value: Any, folder: Path) -> Any:
    """``value`` with every file and directory in it copied below ``folder``, and named by where it is then.

    The folder is made when there is something for it. A file is copied, never followed: a link in it stays a link.
    """
    copied: list[Path] = []

    def kept(encoded: Encoded) -> Encoded:
        home = encoded.folder.resolve()

        def moved(document: Any) -> Any:
            if isinstance(document, list):
                return [moved(item) for item in document]
            if not isinstance(document, dict):
                return document
            if document.get("$") != "path" or "file" not in document:
                return {key: moved(item) for key, item in document.items()}
            source = home / str(document["file"])
            if home not in source.parent.resolve().parents:  # a task wrote it: it may name its own files alone
                return document
            target = _copy(source, folder, len(copied))
            copied.append(target)
            return {**document, "text": str(target)}

        return Encoded(moved(encoded.document), encoded.folder)

    return replaced(value, Encoded, kept)


def _copy(source: Path, folder: Path, number: int) -> Path:
    """A copy under the same name, in a folder of its own when the name is taken."""
    target = folder / source.name
    if target.exists():
        target = folder / str(number + 1) / source.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
    return target
