"""Which users and groups a user namespace of an ordinary user can have: root, and the ids that the machine lends."""

import os
import pwd
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from imagewright.dataclass import dataclass

Range = tuple[int, int, int]
"""First id inside, first id of the host, how many. Source: Linux, user_namespaces(7), "User and group ID mappings"."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The two maps of a namespace. ``lent``: newuidmap and newgidmap have to write them; else the kernel lets us."""

    users: tuple[Range, ...]
    groups: tuple[Range, ...]
    lent: bool

    @property
    def several(self) -> bool:
        """Whether files can have other owners than root."""
        return sum(count for _, _, count in self.users) > 1 and sum(count for _, _, count in self.groups) > 1

    @property
    def name(self) -> str:
        """Part of a folder's name: files that were made with other maps have other owners."""
        if not self.several:
            return "single"
        lent = [f"{start}.{count}" for one in (self.users, self.groups) for _, start, count in one[1:]]
        return "-".join(lent) or "whole"


def find_ids(*, etc: Path = Path("/etc"), search: str | None = None) -> Ids:
    """The maps for this process's user: all ids that are lent to it, else its own alone, as root.

    ``search`` is the PATH on which newuidmap and newgidmap are looked for.
    Source: subuid(5), subgid(5): ``user:first:count``, the user by name or by number.
    """
    uid, gid = os.geteuid(), os.getegid()
    names = {str(uid)}
    with suppress(KeyError):
        names.add(pwd.getpwuid(uid).pw_name)
    users, groups = (_lent(etc / file, names) for file in ("subuid", "subgid"))
    programs = [shutil.which(name, path=search) for name in ("newuidmap", "newgidmap")]
    if not users or not groups or None in programs:
        return single(uid, gid)
    return Ids(_stacked(uid, users), _stacked(gid, groups), lent=True)


def single(uid: int, gid: int) -> Ids:
    """The maps of a namespace whose one user is root, and is this one."""
    return Ids(((0, uid, 1),), ((0, gid, 1),), lent=False)


def _lent(file: Path, names: set[str]) -> list[tuple[int, int]]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        name, _, numbers = line.strip().partition(":")
        start, _, count = numbers.partition(":")
        if name in names and start.isdigit() and count.isdigit() and int(count):
            found.append((int(start), int(count)))
    return list(dict.fromkeys(found))


def _stacked(own: int, lent: Iterable[tuple[int, int]]) -> tuple[Range, ...]:
    """This user is root; what is lent follows from 1 on."""
    ranges: list[Range] = [(0, own, 1)]
    inside = 1
    for start, count in lent:
        ranges.append((inside, start, count))
        inside += count
    return tuple(ranges)
