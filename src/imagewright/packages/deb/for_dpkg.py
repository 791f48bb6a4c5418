"""On which images, and for which packages, dpkg's work can be done without it."""

import os
import re
from collections.abc import Iterator, Sequence

from imagewright.packages.deb.control_files import Control
from imagewright.packages.deb.layout import DPKG_CONF
from imagewright.packages.deb.status import FOLDER
from imagewright.sandbox.stack import Stack

_SETTINGS = re.compile(r"\s*(?:#.*|no-debsig|log [^\n]*|force-unsafe-io|path-(?:exclude|include)=[^\n]*)?")


class ForDpkg(Exception):
    """These packages cannot be unpacked here as dpkg would do it: it has to do it itself."""


def check_image(stack: Stack) -> None:
    """Settings of dpkg that change what it would leave: overrides, and filters other than our own."""
    if stack.read(f"/{FOLDER}/statoverride").strip():
        raise ForDpkg("dpkg has overrides")
    filters: list[str] = []
    for name, text in _settings(stack):
        for line in text.splitlines():
            if not _SETTINGS.fullmatch(line):
                raise ForDpkg(f"{name} says {line!r}")
            filters += [line] if line.startswith("path-") else []
    if filters != DPKG_CONF.splitlines():
        raise ForDpkg("other files are left out than on the default base")


def _settings(stack: Stack) -> Iterator[tuple[str, str]]:
    folder = "/etc/dpkg/dpkg.cfg.d"
    names = {name for below in stack.folders if os.path.isdir(below + folder) for name in os.listdir(below + folder)}
    for path in ("/etc/dpkg/dpkg.cfg", "/root/.dpkg.cfg", *(f"{folder}/{name}" for name in sorted(names))):
        yield path, stack.read(path).decode("utf-8", "replace")


def check_packages(controls: Sequence[Control], stack: Stack) -> str:
    """What the order of dpkg's work could change: questions that are asked before, packages that are there, triggers on files.

    Returns the image's architecture.
    """
    status = stack.read(f"/{FOLDER}/status", limit=1 << 26).decode("utf-8", "replace")
    known = set(re.findall(r"^Package: (\S+)$", status, re.MULTILINE))
    native = re.search(r"^Package: dpkg\n(?:.+\n)*?Architecture: (\S+)$", status, re.MULTILINE)
    if native is None:
        raise ForDpkg("the image has no dpkg")
    for one in controls:
        if one.deb.name in known:
            raise ForDpkg(f"{one.deb.name} is known to dpkg already")
        if not one.files.keys().isdisjoint({"config", "templates"}):
            raise ForDpkg(f"{one.deb.name} asks questions before")
        if (one.is_left or "preinst" in one.files) and _needs_others(one, controls):
            raise ForDpkg(f"{one.deb.name} has to be unpacked after others are configured")
        if re.search(r"^\s*interest\S*\s+/", one.script("triggers"), re.MULTILINE):
            raise ForDpkg(f"{one.deb.name} waits for files of others")
        if one.deb.architecture not in ("all", native[1]):
            raise ForDpkg(f"{one.deb.name} is of another architecture")
    return native[1]


def _needs_others(one: Control, controls: Sequence[Control]) -> bool:
    """Whether other new packages have to be configured before it is unpacked."""
    before = set(re.split(r"[^a-z0-9+.-]+", one.said.get("Pre-Depends", "")))
    return any(other.deb.name in before for other in controls)
