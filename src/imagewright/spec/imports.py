"""Which Python files a Python file is made of: the ones that it imports, and those that they import.

Read from the text, not from ``sys.modules``: that holds what this process happened to load, so the answer would differ
between two commands over the same files. An import inside a function counts; one by a computed name is not seen.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

_COMMENT = re.compile(r"#[^\n]*|\\\n")
_START = r"(?:^|[;:])[ \t\f]*"
_IMPORT = re.compile(_START + r"import[ \t]+(?P<names>[\w. \t,]+)", re.MULTILINE)
_FROM = re.compile(
    _START
    + r"from[ \t]*(?P<dots>[. \t]*)(?P<module>[\w.]*)[ \t]*\bimport\b[ \t]*(?:\((?P<many>[^)]*)\)|(?P<few>[\w. \t,*]+))",
    re.MULTILINE,
)


def import_root(file: str) -> str:
    """The folder that ``file``'s absolute imports start from: its first ancestor that holds no ``__init__.py``."""
    folder = os.path.dirname(os.path.abspath(file))
    while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


def imported_files(seeds: Iterable[str], root: str) -> list[str]:
    """The Python files below ``root`` that ``seeds`` import, directly or not, and the seeds that are below it; sorted.

    Cost: each file is read once and searched, not parsed.
    """
    root = os.path.abspath(root)
    seen: set[str] = set()
    waiting = [os.path.abspath(seed) for seed in seeds]
    for seed in list(waiting):
        waiting.extend(_packages_above(seed, root))
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for module, folder in _wanted(file, root):
            waiting.extend(found for found in _files_of(module, folder) if found not in seen)
    return sorted(file for file in seen if file.startswith(root + os.sep))


def imported_names(text: str) -> Iterator[tuple[int, str]]:
    """The modules that a source text names: how many dots they begin with, and the rest, ``a.b``."""
    text = _COMMENT.sub(" ", text)
    for match in _IMPORT.finditer(text):
        for name in match["names"].split(","):
            if words := name.split():
                yield 0, words[0]
    for match in _FROM.finditer(text):
        level, module = match["dots"].count("."), match["module"]
        if module:
            yield level, module
        for name in (match["many"] or match["few"] or "").split(","):
            words = name.split()
            if words and words[0].isidentifier():
                yield level, f"{module}.{words[0]}" if module else words[0]


def _wanted(file: str, root: str) -> Iterator[tuple[str, str]]:
    """Each module that a file names, with the folder to look for it in."""
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except OSError:
        return
    tops = {root, import_root(file)}
    for level, module in set(imported_names(text)):
        if level == 0:
            for top in tops:
                yield module, top
        else:
            folder = os.path.dirname(file)
            for _ in range(level - 1):
                folder = os.path.dirname(folder)
            yield module, folder


def _files_of(module: str, folder: str) -> Iterator[str]:
    for part in module.split("."):
        path = os.path.join(folder, part)
        if os.path.isfile(path + ".py"):
            yield path + ".py"
        init = os.path.join(path, "__init__.py")
        if os.path.isfile(init):
            yield init
        folder = path


def _packages_above(file: str, root: str) -> Iterator[str]:
    folder = os.path.dirname(file)
    while folder.startswith(root + os.sep) and os.path.isfile(init := os.path.join(folder, "__init__.py")):
        yield init
        folder = os.path.dirname(folder)
