"""Alternatives: what ``update-alternatives --install`` in the packages' scripts comes to."""

import re
import shlex
from collections.abc import Iterator

from imagewright.dataclass import dataclass
from imagewright.packages.deb.layout import merged
from imagewright.packages.deb.system import Entry, System, file, symlink

_COMMAND = re.compile(r"update-alternatives\s+(?:--quiet\s+)?--install\s((?:[^\n;|&\\]|\\\n|\\.)+)")


@dataclass(frozen=True, slots=True)
class _Choice:
    """One way to provide a name. ``slaves`` are (link, name, path), which go along with it."""

    link: str
    name: str
    path: str
    priority: int
    slaves: tuple[tuple[str, str, str], ...]


def alternatives(system: System) -> Iterator[Entry]:
    """The links, and the database of update-alternatives, for what is in the tree: the highest priority wins.

    Links of manual pages that were left out are not made. Source: update-alternatives(1) of dpkg 1.21.
    """
    by_name: dict[str, list[_Choice]] = {}
    for package in sorted(system.packages, key=lambda package: package.name):
        for choice in _choices(package.script("postinst")):
            if _is_there(system, choice.path):
                by_name.setdefault(choice.name, []).append(choice)
    for name, choices in sorted(by_name.items()):
        best = max(choices, key=lambda choice: choice.priority)
        yield file(f"var/lib/dpkg/alternatives/{name}", _record(choices))
        for link, label, path in ((best.link, name, best.path), *best.slaves):
            if _is_there(system, path):
                yield symlink(merged(link.lstrip("/")), f"/etc/alternatives/{label}")
                yield symlink(f"etc/alternatives/{label}", path)


def _choices(script: str) -> Iterator[_Choice]:
    for match in _COMMAND.finditer(script):
        words = shlex.split(match[1].replace("\\\n", " "))
        if len(words) < 4 or any("$" in word for word in words):
            continue
        rest = words[4:]
        slaves = [tuple(rest[at + 1 : at + 4]) for at, word in enumerate(rest) if word == "--slave"]
        yield _Choice(words[0], words[1], words[2], int(words[3]), tuple((a, b, c) for a, b, c in slaves))


def _is_there(system: System, path: str) -> bool:
    return merged(path.lstrip("/")) in system.paths


def _record(choices: list[_Choice]) -> str:
    slaves = sorted({(name, link) for choice in choices for link, name, _ in choice.slaves})
    lines = ["auto", choices[0].link]
    lines += [line for name, link in slaves for line in (name, link)]
    lines.append("")
    for choice in sorted(choices, key=lambda choice: choice.path):
        paths = {name: path for _, name, path in choice.slaves}
        lines += [choice.path, str(choice.priority), *(paths.get(name, "") for name, _ in slaves)]
    return "\n".join([*lines, "", ""])
