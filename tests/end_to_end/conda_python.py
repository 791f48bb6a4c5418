"""Conda packages made of what this machine has: a Python that really runs, and a distribution of this environment."""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from imagewright.testing.conda import CondaFile, MadePackage, make_package

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
PROGRAM = Path(f"/usr/bin/python{MINOR}")
LIBRARY = Path(f"/usr/lib/python{MINOR}")
LEFT_OUT = {"dist-packages", "site-packages", "test", "idlelib", "tkinter", "ensurepip", "lib2to3", "__pycache__"}

# Debian's Python looks into dist-packages, conda's into site-packages.
SITE = b"import site, sys\nsite.addsitedir(f'{sys.prefix}/lib/python%d.%d/site-packages' % sys.version_info[:2])\n"


def available() -> bool:
    """Whether the system's own Python is of the version that runs the tests."""
    return PROGRAM.is_file() and (LIBRARY / "os.py").is_file()


def python_package(subdir: str = "linux-64") -> MadePackage:
    """The system's Python, which finds its library from where it lies."""
    said = subprocess.run([PROGRAM, "-V"], capture_output=True, text=True, check=True, timeout=60)
    files = {f"bin/python{MINOR}": CondaFile(PROGRAM.read_bytes(), executable=True)}
    files |= {f"bin/{name}": CondaFile(link=f"python{MINOR}") for name in ("python", "python3")}
    for folder, folders, names in os.walk(LIBRARY):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not name.startswith("config-"))
        for name in sorted(names):
            path = Path(folder) / name
            if not path.is_symlink():
                files[str(path.relative_to("/usr"))] = CondaFile(path.read_bytes(), mtime=int(path.stat().st_mtime))
    files[f"lib/python{MINOR}/sitecustomize.py"] = CondaFile(SITE)
    return make_package(
        "python",
        said.stdout.split()[1],
        files,
        build="h0_0_cpython",
        depends=["__glibc >=2.17"],
        subdir=subdir,
        level=1,
    )


def distribution_package(name: str, *, depends: Sequence[str] = ()) -> MadePackage:
    """A distribution that is installed in this environment, as conda lays it out."""
    found = metadata.distribution(name)
    files = {}
    for file in found.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            path = Path(str(found.locate_file(file)))
            files[f"lib/python{MINOR}/site-packages/{file}"] = CondaFile(path.read_bytes(), os.access(path, os.X_OK))
    build = f"py{MINOR.replace('.', '')}_0"
    return make_package(name, found.version, files, depends=[f"python {MINOR}.*", *depends], build=build, level=1)
