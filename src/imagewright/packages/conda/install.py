"""Where the files of a package go below the prefix, and what an installer adds: commands and the record."""

import json
import posixpath
import re
from collections.abc import Sequence
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.oci.digest import canonical_json, hex_of
from imagewright.packages.conda.archive import Package, refused
from imagewright.packages.conda.locked import LockedConda
from imagewright.packages.conda.paths import PackagePath

META = "conda-meta"
"""The folder of records, by which conda and micromamba know what an environment has."""

_COMMAND = re.compile(
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9._+-]*)\s*=\s*(?P<module>[A-Za-z0-9_.]+)\s*:\s*(?P<attribute>[A-Za-z0-9_.]+)"
)
_SCRIPT = re.compile(r"bin/\.(?P<name>.+)-post-link\.sh")

# Conda's own, with the interpreter's full name.
_LAUNCHER = """\
#!{interpreter}
# -*- coding: utf-8 -*-
import re
import sys

from {module} import {first}

if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])
    sys.exit({attribute}())
"""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where files go: below ``prefix``, and for ``python`` (its minor version, "" when the environment has none)."""

    prefix: str
    python: str

    @property
    def site_packages(self) -> str:
        """The folder of Python packages, relative to the prefix."""
        return f"lib/python{self.python}/site-packages"

    def path(self, package: Package, noarch_python: bool, name: str) -> str:
        """Where the package's file ``name`` goes, relative to the prefix.

        Source: conda's documentation, "Noarch Python".

        Raises:
            BuildError: It would take the place of a record, or needs a Python that is not there (IW303).
        """
        if name == META or name.startswith(f"{META}/"):
            raise refused(package.name, "a file of it lies where the records are", name)
        if not noarch_python:
            return name
        top, _, rest = name.partition("/")
        if top in ("site-packages", "python-scripts") and not self.python:
            raise refused(package.name, "it is for Python, and the environment has none")
        if top == "site-packages" and rest:
            return f"{self.site_packages}/{rest}"
        if top == "python-scripts" and rest:
            return f"bin/{rest}"
        return name


def is_noarch_python(package: Package) -> bool:
    """Whether the files are laid out for whichever Python there is."""
    return package.noarch.get("type") == "python" or package.index.get("noarch") == "python"


def placed(package: Package, placement: Placement) -> dict[str, PackagePath]:
    """The package's own files by where they go, relative to the prefix.

    Raises:
        BuildError: Two go to one place, or one lies below another (IW303).
    """
    noarch = is_noarch_python(package)
    found: dict[str, PackagePath] = {}
    for name, entry in package.paths.items():
        path = placement.path(package, noarch, name)
        if path in found:
            raise refused(package.name, "two of its files go to one place", path)
        found[path] = entry
    for path in found:
        above = posixpath.dirname(path)
        while above:
            if above in found and found[above].kind != "directory":
                raise refused(package.name, f"{above} is no folder, and others lie below it", path)
            above = posixpath.dirname(above)
    return found


def launchers(package: Package, placement: Placement) -> dict[str, bytes]:
    """The commands that are made for a package of Python code, by path.

    Raises:
        BuildError: One of them cannot be a command (IW303).
    """
    if not is_noarch_python(package):
        return {}
    declared = package.noarch.get("entry_points") or []
    if not isinstance(declared, list) or not all(isinstance(line, str) for line in declared):
        raise refused(package.name, "its entry points cannot be read")
    found: dict[str, bytes] = {}
    for line in declared:
        match = _COMMAND.fullmatch(line.strip())
        words = (match["module"].split(".") + match["attribute"].split(".")) if match else []
        if match is None or not all(map(str.isidentifier, words)) or re.fullmatch(r"python[0-9.]*", match["name"]):
            raise refused(package.name, f"its entry point {line[:80]!r} is no command")
        found[f"bin/{match['name']}"] = _LAUNCHER.format(
            interpreter=f"{placement.prefix}/bin/python{placement.python}",
            module=match["module"],
            first=match["attribute"].partition(".")[0],
            attribute=match["attribute"],
        ).encode()
    return found


def post_link_script(package: Package) -> str | None:
    """The path of the script that wants to be run when the package is installed, or None."""
    return next((path for path in package.paths if _SCRIPT.fullmatch(path)), None)


def check_link(package: Package, path: str, target: str) -> None:
    """Pass when a symlink at ``path`` stays below the prefix.

    Raises:
        BuildError: It leads out of it (IW303).
    """
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if not target or "\0" in target or target.startswith("/") or reached.split("/")[0] == "..":
        raise refused(package.name, f"it has a link out of the prefix, to {target[:200]!r}", path)


def check_index(package: Package, locked: LockedConda) -> None:
    """Pass when the package is what the lock says.

    Raises:
        BuildError: It is another one (IW303).
    """
    index = package.index
    says = (index.get("name"), index.get("version"), index.get("build"))
    if says != (locked.name, locked.version, locked.build):
        raise refused(package.name, f"it says that it is {' '.join(map(str, says))[:200]}")


def record(package: Package, locked: LockedConda, files: Sequence[tuple[str, PackagePath | None, str]]) -> bytes:
    """``conda-meta/NAME.json``: what conda wants to know of an installed package.

    ``files`` are path, what the package says of it (None: it was made here), and the digest of what is there now.
    Source: conda's documentation, "conda-meta"; nothing in it tells of the machine that made it.
    """
    index = package.index
    kept = ("arch", "build_number", "constrains", "depends", "license", "noarch", "platform", "timestamp")
    rows: list[dict[str, Any]] = []
    for path, entry, digest in sorted(files, key=lambda file: file[0]):
        row: dict[str, Any] = {"_path": path, "path_type": "hardlink"}
        if entry is None:
            row["path_type"] = "unix_python_entry_point"
        elif entry.kind != "file":
            row["path_type"] = "softlink" if entry.kind == "symlink" else "directory"
        if entry is not None and entry.sha256:
            row |= {"sha256": entry.sha256, "sha256_in_prefix": digest, "size_in_bytes": entry.size}
        if entry is not None and entry.placeholder:
            row |= {"prefix_placeholder": entry.placeholder, "file_mode": entry.mode}
        rows.append(row)
    document = {
        "name": locked.name,
        "version": locked.version,
        "build": locked.build,
        "build_number": 0,
        "depends": [],
        "constrains": [],
        **{name: index[name] for name in kept if index.get(name) is not None},
        "channel": locked.channel,
        "subdir": locked.subdir,
        "fn": locked.filename,
        "url": locked.url,
        "sha256": hex_of(locked.file.digest),
        "size": locked.file.size,
        "files": [row["_path"] for row in rows],
        "paths_data": {"paths_version": 1, "paths": rows},
        "link": {"source": "", "type": 1},
        "requested_spec": "",
    }
    return json.dumps(json.loads(canonical_json(document)), indent=1, sort_keys=True).encode() + b"\n"


def record_path(locked: LockedConda) -> str:
    """Where the record goes, relative to the prefix."""
    return f"{META}/{locked.name}-{locked.version}-{locked.build}.json"
