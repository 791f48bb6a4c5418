"""What runs in the sandbox: unpacks the sources, and calls one hook of the project's build backend.

Source: PEP 517, "Build backend interface". It is run by the image's own Python, which may be 3.9, and imports nothing
of imagewright's.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tarfile
import zipfile
from typing import Any

GIVEN = "/imagewright/step"
SCRATCH = "/imagewright/scratch"


def unpack(archive: str, to: str) -> None:
    """Unpack once. Nothing but the sandbox can be harmed by a bad archive."""
    if os.path.exists(to):
        return
    part = to + ".part"
    if not tarfile.is_tarfile(archive) and zipfile.is_zipfile(archive):  # a wheel at the end of a tar looks like a zip
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(part)
    else:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extraction_filter = tarfile.data_filter
            tar.extractall(part)
    os.rename(part, to)


def backend_of(name: str, path: list[str]) -> Any:
    """The backend's object: a module, or what lies in one behind a colon."""
    sys.path[:0] = [os.path.abspath(folder) for folder in path]
    module, _, inside = name.partition(":")
    found = importlib.import_module(module)
    for part in inside.split(".") if inside else ():
        found = getattr(found, part)
    return found


def main(hook: str) -> None:
    """Call ``hook``, and write its answer as JSON."""
    with open(GIVEN + "/settings.json", encoding="utf-8") as file:
        settings = json.load(file)
    sys.path[:] = [folder for folder in sys.path if folder != GIVEN]
    for folder in ("home", "tmp", "wheel"):
        os.makedirs(f"{SCRATCH}/{folder}", exist_ok=True)
    unpack(f"{GIVEN}/{settings['archive']}", f"{SCRATCH}/source")
    os.chdir(os.path.join(f"{SCRATCH}/source", settings["folder"]))
    backend = backend_of(settings["backend"], settings["backend_path"])
    if hook == "requires":
        asked = getattr(backend, "get_requires_for_build_wheel", None)
        answer = list(asked(None)) if asked else []
    else:
        answer = backend.build_wheel(f"{SCRATCH}/wheel", None, None)
    with open(f"{SCRATCH}/{hook}.json", "w", encoding="utf-8") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main(sys.argv[1])
