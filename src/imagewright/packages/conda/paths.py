"""What a conda package says of each of its files: digest, size, and whether the prefix is written in it."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, Literal

from imagewright.dataclass import dataclass
from imagewright.errors import BuildError

PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""What stands for the prefix where a package does not say. Source: conda, gateways/disk/read.py, PREFIX_PLACEHOLDER."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PackagePath:
    """A path of a package. ``sha256`` is "" and ``size`` -1 where it does not say; so is ``placeholder``.

    ``mode`` says how the placeholder is replaced: in a text, or in a program, whose strings keep their length.
    """

    path: str
    kind: Literal["file", "symlink", "directory"]
    sha256: str = ""
    size: int = -1
    placeholder: str = ""
    mode: Literal["text", "binary"] = "text"

    @property
    def content(self) -> tuple[object, ...] | None:
        """What decides the content in the image; None when it is not known."""
        return (self.sha256, self.size, self.placeholder, self.mode) if self.sha256 else None


def read_paths(info: Mapping[str, bytes], name: str) -> dict[str, PackagePath]:
    """The paths of a package, from ``paths.json``; of old packages from ``files`` and ``has_prefix``.

    Source: conda's documentation, "Package specification", "Package metadata".

    Raises:
        BuildError: They cannot be read, one comes twice, or leads out of the prefix (IW303).
    """
    try:
        rows = _rows(info)
    except (ValueError, KeyError, TypeError, AttributeError, LookupError) as error:
        raise _refused(name, f"its list of files cannot be read: {error}") from error
    found: dict[str, PackagePath] = {}
    for row in rows:
        if row.path in found:
            raise _refused(name, "it lists a file twice", row.path)
        found[row.path] = row
        if plain_path(row.path, name) != row.path:
            raise _refused(name, "a path in it is not a plain one below the prefix", row.path)
    return found


def plain_path(path: str, name: str) -> str:
    """``path`` without ``./`` before it and a slash behind.

    Raises:
        BuildError: It is not a plain path below the prefix (IW303).
    """
    text = path.removeprefix("./").removesuffix("/")
    parts = text.split("/")
    too_long = len(text.encode("utf-8", "surrogateescape")) > 4096 or any(
        len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts
    )
    if too_long or any(part in ("", ".", "..") for part in parts) or _CONTROL.search(text) or not _is_text(text):
        raise _refused(name, "a path in it is not a plain one below the prefix", ascii(path)[:200])
    return text


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rows(info: Mapping[str, bytes]) -> list[PackagePath]:
    if "info/paths.json" in info:
        return [_row(row) for row in json.loads(info["info/paths.json"])["paths"]]
    prefixes = dict(map(_prefix_line, filter(None, info.get("info/has_prefix", b"").decode().splitlines())))
    listed = [line.strip() for line in info["info/files"].decode().splitlines() if line.strip()]
    return [PackagePath(path, "file", "", -1, *prefixes.get(path, ("", "text"))) for path in listed]


def _row(row: Any) -> PackagePath:
    kinds: dict[str, Literal["file", "symlink", "directory"]] = {
        "hardlink": "file",
        "softlink": "symlink",
        "directory": "directory",
    }
    sha256, size = row.get("sha256") or "", row.get("size_in_bytes", -1)
    placeholder, said = row.get("prefix_placeholder") or "", row.get("file_mode") or "text"
    path = row["_path"]
    if not all(isinstance(text, str) for text in (path, sha256, placeholder)) or not isinstance(size, int):
        raise ValueError(f"{path!r} is described in a way that is not known")
    if said not in ("text", "binary") or (sha256 and not _SHA256.fullmatch(sha256)):
        raise ValueError(f"{path!r} is described in a way that is not known")
    kind = kinds[row["path_type"]]
    mode: Literal["text", "binary"] = "binary" if said == "binary" else "text"
    return PackagePath(path, kind, sha256 if kind == "file" else "", size, placeholder, mode)


def _prefix_line(line: str) -> tuple[str, tuple[str, Literal["text", "binary"]]]:
    """A line of has_prefix: a path, or placeholder, mode and path."""
    parts = shlex.split(line)
    if len(parts) == 3 and parts[1] in ("text", "binary"):
        return parts[2], (parts[0], "binary" if parts[1] == "binary" else "text")
    return line.strip(), (PLACEHOLDER, "text")


def _refused(name: str, reason: str, path: str = "") -> BuildError:
    why = f"in it: {path}" if path else ()
    return BuildError(f"the conda package {name} is refused: {reason}", code="IW303", why=why)
