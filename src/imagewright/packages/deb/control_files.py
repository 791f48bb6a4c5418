"""The control tar of a package: what it says of itself, and its scripts."""

from collections.abc import Mapping
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.packages.deb.archive import members, open_deb, refused
from imagewright.packages.deb.control import fields
from imagewright.packages.deb.locked import LockedDeb


@dataclass(frozen=True, slots=True)
class Control:
    """Of one package: the paragraph ``control`` as ``text`` and in ``said``, and the mode, content and time of the other ``files``."""

    deb: LockedDeb
    text: str
    said: Mapping[str, str]
    files: Mapping[str, tuple[int, bytes]]
    times: Mapping[str, int]

    @property
    def is_left(self) -> bool:
        """Whether it waits for others, or its configuration files have marks."""
        marked = any(not line.startswith("/") or " " in line for line in self.script("conffiles").splitlines())
        return marked or "interest" in self.script("triggers")

    def script(self, name: str) -> str:
        """The text of one of its files, or ""."""
        return self.files.get(name, (0, b""))[1].decode("utf-8", "replace")


def read_control(deb: LockedDeb, file: Path) -> Control:
    """The control tar of the package in ``file``.

    Raises:
        BuildError: It is broken, or another package than ``deb`` (IW303).
    """
    name = f"{deb.name}_{deb.version}_{deb.architecture}"
    with open_deb(file, deb.name) as opened:
        found = [member for member in members(iter([opened.control()]), name) if member.kind == "file"]
    files = {member.path: (member.mode, member.data) for member in found}
    try:
        text = files.pop("control", (0, b""))[1].decode()
        said = fields(text)
    except ValueError as error:
        raise refused(name, f"its control file cannot be read: {error}") from error
    stated = (said.get("Package"), said.get("Version"), said.get("Architecture"))
    if stated != (deb.name, deb.version, deb.architecture):
        raise refused(name, f"its control file says {stated}")
    return Control(deb, text, said, files, {member.path: member.mtime for member in found})
