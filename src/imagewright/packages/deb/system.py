"""What is known of a base's tree once its packages are unpacked: what the effects and dpkg's database are made from."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from imagewright.dataclass import dataclass
from imagewright.packages.deb.elf import Library


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to write into the tree. ``content`` is a file's bytes; a symlink's target as text, or "" of a directory."""

    path: str
    kind: Literal["file", "directory", "symlink"]
    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


def file(path: str, content: bytes | str = b"", mode: int = 0o644, *, uid: int = 0, gid: int = 0) -> Entry:
    """A file to write."""
    return Entry(path, "file", content.encode() if isinstance(content, str) else content, mode, uid, gid)


def directory(path: str, mode: int = 0o755, *, uid: int = 0, gid: int = 0) -> Entry:
    """A directory to make."""
    return Entry(path, "directory", b"", mode, uid, gid)


def symlink(path: str, target: str) -> Entry:
    """A symlink to make."""
    return Entry(path, "symlink", target.encode(), 0o777)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A package whose files are in the tree.

    ``said`` is its control paragraph; ``control`` the other files of its control tar, with their mode; ``paths`` what
    its data tar lists, as dpkg writes it down; ``conffiles`` the MD5 sum of each configuration file that it has.
    """

    said: Mapping[str, str]
    control: Mapping[str, tuple[int, bytes]]
    paths: tuple[str, ...]
    conffiles: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its name."""
        return self.said["Package"]

    @property
    def qualified(self) -> str:
        """Its name as dpkg writes it: with the architecture where several can be installed beside each other."""
        same = self.said.get("Multi-Arch") == "same"
        return f"{self.name}:{self.said['Architecture']}" if same else self.name

    def script(self, name: str) -> str:
        """The text of a maintainer script, or ""."""
        return self.control.get(name, (0, b""))[1].decode("utf-8", "replace")


@dataclass(slots=True)
class System:
    """The tree so far, while packages are unpacked into it. Paths are those of the merged tree, without leading slash.

    ``files`` has the content of the files that effects are made from, ``links`` all symlinks, ``paths`` everything.
    """

    architecture: str
    packages: list[Unpacked] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    libraries: dict[str, Library] = field(default_factory=dict)

    def package(self, name: str) -> Unpacked | None:
        """The package of that name, if it is there."""
        return next((package for package in self.packages if package.name == name), None)

    def below(self, folder: str) -> dict[str, bytes]:
        """The kept files below a folder, by path."""
        return {path: content for path, content in sorted(self.files.items()) if path.startswith(f"{folder}/")}
