"""Reading a user's file on a machine that has not the packages that its tasks' images have.

While it is read, ``import pandas as pd`` in the user's own code gives a placeholder when pandas is not installed here.
A placeholder may be named, in annotations for the most part: attributes, subscripts, ``|`` and base classes give
placeholders again. Anything else is an error that names the line. An import that expects to fail (in a ``try`` with an
``except ImportError``) fails as it would without this, and imports by installed packages are left alone.

Not used where tasks run: there an absent package is an error.
"""

from __future__ import annotations

import ast
import importlib.machinery
import linecache
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from imagewright.errors import UsageError
from imagewright.flow.callsite import ours, where_called
from imagewright.flow.load import DISTRIBUTIONS, INSTALLED, STANDARD, is_foreign

_EXPECTED = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@contextmanager
def placeholders(root: Path) -> Iterator[None]:
    """While the body runs, give the code below ``root`` placeholders for packages that are not installed."""
    finder = _Finder(root.absolute())
    # The last finder is asked only when no real module was found: nothing is ever shadowed.
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, _PlaceholderModule)]:
            del sys.modules[name]


class Placeholder:
    """Something in a package that is not installed here. ``name`` is where it would be: ``pandas.DataFrame``."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name.rpartition(".")[2]
        self.__module__ = name.rpartition(".")[0]
        self._name = name

    def __repr__(self) -> str:
        return f"<{self._name}, which is not installed here>"

    def __getattr__(self, name: str) -> Any:
        return _attribute(self._name, name)

    def __getitem__(self, key: object) -> Placeholder:
        return self

    def __or__(self, other: object) -> Placeholder:
        return self

    __ror__ = __or__

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        return (_Base,)

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        """Never: there is nothing to call."""
        raise _error(self._name, "called")

    def __iter__(self) -> NoReturn:
        raise _error(self._name, "looped over")

    def __bool__(self) -> NoReturn:
        raise _error(self._name, "used as a condition")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Placeholder):
            return self._name == other._name
        asking = sys._getframe(1).f_code.co_filename
        if asking.startswith(STANDARD) or ours(asking):  # typing compares all that is in an annotation
            return False
        raise _error(self._name, "compared")

    def __hash__(self) -> int:
        return hash(self._name)


class _Base:
    """What a class inherits from instead of a class that is not installed here. It may be defined, not made."""

    def __new__(cls, *args: object, **kwargs: object) -> NoReturn:
        raise _error(f"{cls.__module__}.{cls.__qualname__}, whose base class is not installed,", "called")


class _PlaceholderModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return _attribute(self.__name__, name)


def _refused(used: str) -> Any:
    def refuse(self: Placeholder, *_: object) -> NoReturn:
        raise _error(self._name, used)

    return refuse


for _used, _names in {
    "used in arithmetic": "add radd sub rsub mul rmul truediv rtruediv floordiv mod pow neg pos abs invert and rand matmul",
    "compared": "lt le gt ge contains",
    "made a number": "int float complex index",
    "asked for its length": "len",
    "used in a with statement": "enter",
    "changed": "setitem delitem",
}.items():
    for _name in _names.split():
        setattr(Placeholder, f"__{_name}__", _refused(_used))


def _attribute(owner: str, name: str) -> Placeholder:
    if name.startswith("__") and name != "__version__":  # what inspect, typing and the import system ask of everything
        raise AttributeError(name)
    return Placeholder(f"{owner}.{name}")


def _error(name: str, used: str) -> UsageError:
    top = name.partition(".")[0]
    return UsageError(
        f"{name} is {used} while the file is read, and {top} is not installed in this environment",
        code="IW110",
        why="outside its tasks, a file that runs in containers may only name what it imports, as in annotations",
        fix=[
            "move that line into the task that needs it",
            f"or install the package here: uv pip install {DISTRIBUTIONS.get(top, top)}",
        ],
        where=where_called(),
    )


class _Finder:
    """Finds and loads a placeholder for an absent package that the user's own code imports.

    It has the methods of importlib.abc's finders and loaders, and not their classes, which load importlib.resources.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """The spec of a placeholder, or None: then the import fails as ever."""
        parent = sys.modules.get(name.rpartition(".")[0])
        if not isinstance(parent, _PlaceholderModule):
            # The parent of a submodule is real and lacks it, or its top is not absent: an honest error.
            if "." in name or not is_foreign(name, self._root) or not self._asked_by_user():
                return None
        elif self._expected_to_fail():
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> ModuleType:
        """A module of which everything may be named."""
        return _PlaceholderModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: there is no code."""

    def _asked_by_user(self) -> bool:
        file, _ = _importer()
        path = Path(file)
        own = self._root in path.parents and not INSTALLED.intersection(path.parts)
        return own and not self._expected_to_fail()

    def _expected_to_fail(self) -> bool:
        file, line = _importer()
        try:
            tree = ast.parse("".join(linecache.getlines(file)))
        except SyntaxError:
            return False
        return any(
            isinstance(node, ast.Try)
            and node.body[0].lineno <= line <= (node.body[-1].end_lineno or 0)
            and any(_catches_imports(handler) for handler in node.handlers)
            for node in ast.walk(tree)
        )


def _importer() -> tuple[str, int]:
    """The file and line of the import statement."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and ours(frame.f_code.co_filename):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(each, ast.Name) and each.id in _EXPECTED for each in named)
