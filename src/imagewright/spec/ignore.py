"""Which files of a source folder are left out: .gitignore, .dockerignore, .flyteignore, and what never belongs in an image.

Read here and not by git, so that the answer is the same where git is missing or has excludes of its own.
"""

from __future__ import annotations

import os
import re
from dataclasses import field
from pathlib import Path

from imagewright.dataclass import dataclass

GENERATED = frozenset({".git", "__pycache__", ".cache"})
"""Folders whose contents change by themselves. They never go into an image."""

GENERATED_REASON = "bytecode, caches and git's own folder never go in"


@dataclass(frozen=True)
class Rule:
    """One line of an ignore file: ``pattern`` matches a path relative to the file's folder.

    ``line`` is its number, and ``text`` what it says; ``file`` is relative to the root, or absolute above it.
    """

    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool = False
    text: str = ""
    line: int = 0
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def is_generated(name: str, is_folder: bool) -> bool:
    """Whether a file or folder of this name is made by running things: bytecode, caches, git's own."""
    return name in GENERATED if is_folder else name.endswith((".pyc", ".pyo"))


@dataclass
class Ignores:
    """The ignore rules that hold in ``root``. Paths are asked for from the top down, folders before what is in them.

    Source: gitignore(5), "PATTERN FORMAT"; Docker's documentation, "Build context", ".dockerignore files".
    As with both, a file is left out when any kind of ignore file says so. A file that git tracks although it is
    ignored is left out as well, and git's excludes outside of the project are not read.
    """

    root: Path
    _git: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    _docker: list[tuple[Rule, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in (".dockerignore", ".flyteignore"):
            if rules := tuple(_docker_rules(_lines(self.root / name), name)):
                self._docker.append(rules)
        self._above = _git_rules_above(self.root)

    def ignored(self, path: str, is_folder: bool) -> bool:
        """Whether ``path`` (relative to the root, with /) is left out; for a folder, whether all below it is."""
        return self.why(path, is_folder) is not None

    def why(self, path: str, is_folder: bool) -> str | None:
        """What leaves ``path`` out, ``.gitignore:3: *.csv``, or None."""
        if is_generated(path.rpartition("/")[2], is_folder):
            return GENERATED_REASON
        rule = self._by_git(path, is_folder) or next(
            filter(None, (_by_docker(rules, path, is_folder) for rules in self._docker)), None
        )
        return str(rule) if rule else None

    def _by_git(self, path: str, is_folder: bool) -> Rule | None:
        """The rule of git's that leaves a path out."""
        found: Rule | None = None
        for prefix, rules in self._above:
            found = _last_match(rules, prefix + path, is_folder, found)
        parts = path.split("/")
        for depth in range(len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in self._git:
                lines = _lines(self.root / os.fsdecode(folder.encode()) / ".gitignore")
                self._git[folder] = tuple(_git_rules(lines, f"{folder}/.gitignore".lstrip("/")))
            found = _last_match(self._git[folder], "/".join(parts[depth:]), is_folder, found)
        return found


def _last_match(rules: tuple[Rule, ...], path: str, is_folder: bool, found: Rule | None) -> Rule | None:
    for rule in rules:
        if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
            found = None if rule.negated else rule
    return found


def _by_docker(rules: tuple[Rule, ...], path: str, is_folder: bool) -> Rule | None:
    if is_folder and any(rule.negated for rule in rules):
        return None  # something below may be let in again
    found: Rule | None = None
    parents = [path[: match.start()] for match in re.finditer("/", path)]
    for rule in rules:
        if any(rule.pattern.fullmatch(piece) for piece in (*parents, path)):
            found = None if rule.negated else rule
    return found


def _git_rules_above(root: Path) -> list[tuple[str, tuple[Rule, ...]]]:
    """The rules of the folders between the repository's top and ``root``, with the path from each down to ``root``."""
    above: list[tuple[str, tuple[Rule, ...]]] = []
    folder, prefix = root, ""
    while not (folder / ".git").exists():
        if folder.parent == folder:
            return []  # not in a repository
        prefix = f"{folder.name}/{prefix}"
        folder = folder.parent
        file = folder / ".gitignore"
        above.append((prefix, tuple(_git_rules(_lines(file), str(file)))))
    return above[::-1]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []


def _git_rules(lines: list[str], file: str) -> list[Rule]:
    rules = []
    for number, line in enumerate(lines, 1):
        text = re.sub(r"(?<!\\)\s+$", "", line)
        if not text or text.startswith("#"):
            continue
        negated = text.startswith("!")
        text = text[1:] if negated else text
        folders_only = text.endswith("/")
        text = text.rstrip("/")
        if not text:
            continue
        anchored = "/" in text
        rules.append(
            Rule(_pattern(text.lstrip("/"), anchored=anchored), negated, folders_only, line.strip(), number, file)
        )
    return rules


def _docker_rules(lines: list[str], file: str) -> list[Rule]:
    rules = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        negated = text.startswith("!")
        text = (text[1:] if negated else text).strip().strip("/")
        text = "/".join(part for part in text.split("/") if part not in ("", "."))
        if text:
            rules.append(Rule(_pattern(text, anchored=True), negated, False, line.strip(), number, file))
    return rules


_GLOB = re.compile(
    r"(?P<any>\*\*/)|(?P<below>/\*\*$)|(?P<stars>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?[^\]]*\])|\\(?P<quoted>.)"
)


def _pattern(glob: str, *, anchored: bool) -> re.Pattern[str]:
    parts = [] if anchored else ["(?:.*/)?"]
    end = 0
    for match in _GLOB.finditer(glob):
        parts.append(re.escape(glob[end : match.start()]))
        end = match.end()
        if match["any"]:
            parts.append("(?:.*/)?")
        elif match["below"]:
            parts.append("/.+")
        elif match["stars"]:
            parts.append(".*" if match["stars"] == "**" and glob == "**" else "[^/]*")
        elif match["one"]:
            parts.append("[^/]")
        elif match["set"]:
            body = match["set"][1:-1].replace("\\", "\\\\")
            parts.append(f"(?!/)[{'^' + body[1:] if body[0] in '!^' else body}]")
        else:
            parts.append(re.escape(match["quoted"]))
    parts.append(re.escape(glob[end:]))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        return re.compile(re.escape(glob))
