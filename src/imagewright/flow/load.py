"""A user's Python file becomes a module, and its tasks and workflows are found in it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from imagewright.errors import ImagewrightError, UsageError
from imagewright.flow.callsite import line_of, ours

DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "google": "google-cloud",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Packages whose module has another name."""


STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
"""Where the standard library is."""

INSTALLED = frozenset(("site-packages", "dist-packages"))
"""Folders of installed packages: a path with one of them in it is not the user's own code."""


def root_of(file: Path) -> Path:
    """The folder that the file's modules are imported from: the nearest one up that is not a package."""
    folder = file.absolute().parent
    while (folder / "__init__.py").exists() and folder.parent != folder:
        folder = folder.parent
    return folder


def module_name(file: Path, root: Path) -> str:
    """The name under which the file is imported, alike on every machine: ``app``, ``package.module``."""
    parts = list(file.absolute().relative_to(root.absolute()).with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


def load(file: Path, root: Path | None = None, *, reading: AbstractContextManager[object] | None = None) -> ModuleType:
    """Import ``file`` with ``root`` first on ``sys.path``. A file that was imported already is not run again.

    ``reading`` is entered around it: `absent.placeholders`, to read a file whose packages are not installed.

    Raises:
        UsageError: There is no such file, or it cannot be imported; IW110 when a package is not installed here.
    """
    file = file.absolute()
    if not file.is_file():
        raise _no_file(file)
    root = (root or root_of(file)).absolute()
    name = module_name(file, root)
    _check_name(file, name)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    # Nothing is left beside the user's files; and bytecode goes by a file's size and second: of a file that was changed
    # within the same second it would be the old one's.
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with reading or nullcontext():
            return importlib.import_module(name)
    except ImagewrightError:
        raise
    except SyntaxError as error:
        where = line_of(error.filename, error.lineno or 0) if error.filename else None
        version = "{}.{}".format(*sys.version_info[:2])
        raise UsageError(f"{_short(file)} is not Python {version}: {error.msg}", where=where) from error
    except ModuleNotFoundError as error:
        if error.name and is_absent(error.name, root):
            raise needs(_short(file), error) from error
        raise _failed(file, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(file, error) from error
    finally:
        sys.dont_write_bytecode = writes


def load_module(name: str, root: Path) -> ModuleType:
    """Import the module ``name`` of the code at ``root``, or of an installed package when the code has none.

    Raises:
        UsageError: As `load`.
    """
    path = root.joinpath(*name.split("."))
    for file in (path.with_name(path.name + ".py"), path / "__init__.py"):
        if file.is_file():
            return load(file, root)
    sys.path.insert(0, str(root.absolute()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise needs(f"module {name}", error) from error


def needs(what: str, error: ModuleNotFoundError) -> UsageError:
    """That ``what`` needs a package which is not installed here. ``fix`` begins with how to install it."""
    module = (error.name or "").partition(".")[0]
    package = DISTRIBUTIONS.get(module, module)
    return UsageError(
        f"{what} needs {package}, which is not installed in this environment",
        code="IW110",
        fix=f"install it here: uv pip install {package}",
        where=_raised_at(error),
    )


def is_foreign(name: str, root: Path) -> bool:
    """Whether a module of this name would have to come from a package: it is neither Python's nor the user's own."""
    top = name.partition(".")[0]
    own = (root / top).is_dir() or (root / f"{top}.py").exists()
    return not own and not _is_standard(top)


def is_absent(name: str, root: Path) -> bool:
    """Whether importing ``name`` fails because a package is not installed here."""
    top = name.partition(".")[0]
    return is_foreign(name, root) and top not in sys.modules and importlib.util.find_spec(top) is None


def find_workflow(module: ModuleType, name: str | None = None) -> Any:
    """The workflow called ``name``; without a name the file's only one.

    Raises:
        UsageError: There is none, or several to choose from.
    """
    from imagewright.flow.workflow import Workflow

    found = {key: value for key, value in vars(module).items() if isinstance(value, Workflow)}
    file = _short(Path(module.__file__ or module.__name__))
    names = ", ".join(found)
    if name is None:
        own = {key: value for key, value in found.items() if value.function.__module__ == module.__name__}
        if len(own) == 1 or len(found) == 1:
            return next(iter((own if len(own) == 1 else found).values()))
        if not found:
            raise UsageError(f"{file} has no workflow", fix="put @workflow above the function that calls the tasks")
        raise UsageError(f"{file} has several workflows: {names}", fix=f"name one: {file} {next(iter(found))}")
    if name in found:
        return found[name]
    near = _nearest(name, found)
    if name in vars(module):
        fix = f"put @workflow above '{name}'" if callable(vars(module)[name]) else ""
        raise UsageError(
            f"'{name}' in {file} is no workflow", why=f"its workflows: {names}" if found else (), fix=fix or ()
        )
    fix = (
        f"did you mean '{near[0]}'?"
        if near
        else f"its workflows: {names}"
        if found
        else "put @workflow above a function"
    )
    raise UsageError(f"{file} has no workflow '{name}'", fix=fix)


def tasks_of(module: ModuleType) -> dict[str, Any]:
    """The tasks in the module by name, those it imported included."""
    if "imagewright.flow.task" not in sys.modules:
        return {}  # nobody has made one: a file of images alone does not pay for them
    from imagewright.flow.task import Task

    return {key: value for key, value in vars(module).items() if isinstance(value, Task)}


def _is_standard(top: str) -> bool:
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return top in names
    if top in sys.builtin_module_names:
        return True
    spec = importlib.util.find_spec(top)  # Python 3.9 has no list
    origin = str(spec.origin) if spec is not None else ""
    return origin == "frozen" or (origin.startswith(STANDARD) and not INSTALLED.intersection(Path(origin).parts))


def _check_name(file: Path, name: str) -> None:
    """Whether the file can be imported under its name, and would be the one that is found."""
    for part in name.split("."):
        if not part.isidentifier():
            fix = "give it a name of letters, digits and underscores, such as app.py"
            raise UsageError(f"{_short(file)} cannot be imported: {part!r} is no module's name", fix=fix)
    top = name.partition(".")[0]
    other = sys.modules.get(name)
    other_file = getattr(other, "__file__", None) if other is not None else None
    if _is_standard(top) or top == "imagewright":
        what = "imagewright's own" if top == "imagewright" else "Python's own"
        raise UsageError(
            f"{_short(file)} has the name of {what} module '{top}'", fix="rename it, for example to app.py"
        )
    if other is not None and (other_file is None or not os.path.samefile(other_file, file)):
        raise UsageError(
            f"{_short(file)} has the name of a module that is in use: {name} ({other_file})",
            fix="rename it, for example to app.py",
        )


def _no_file(file: Path) -> UsageError:
    if file.is_dir():
        return UsageError(f"{_short(file)} is a directory", fix=f"name a file in it: {_short(file / 'app.py')}")
    beside = [each.name for each in file.parent.glob("*.py")] if file.parent.is_dir() else []
    near = _nearest(file.name, beside) or ([file.name + ".py"] if file.name + ".py" in beside else [])
    return UsageError(
        f"there is no file {_short(file)}", fix=f"did you mean '{_short(file.parent / near[0])}'?" if near else ()
    )


def _failed(file: Path, error: BaseException) -> UsageError:
    said = str(error)
    return UsageError(
        f"{_short(file)} cannot be imported: {type(error).__name__}" + (f": {said}" if said else ""),
        where=_raised_at(error),
        fix="guard what should not run on import: if __name__ == '__main__':" if isinstance(error, SystemExit) else (),
    )


def _raised_at(error: BaseException) -> Any:
    """The innermost line that is neither ours nor of an installed package."""
    found, step = None, error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not ours(file) and not file.startswith((STANDARD, "<")) and not INSTALLED.intersection(Path(file).parts):
            found = (file, step.tb_lineno)
        step = step.tb_next
    return line_of(*found) if found else None


def _nearest(name: str, names: Iterable[str]) -> list[str]:
    import difflib  # for a mistake alone: a task's start does not wait for it

    return difflib.get_close_matches(name, list(names), n=1)


def _short(file: Path) -> str:
    """The file as a person would type it here."""
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative
