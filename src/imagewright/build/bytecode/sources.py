"""The sources that a layer of bytecode is of: what wheels install, or an interpreter's own library."""

import os
from collections.abc import Iterator, Sequence

from imagewright.layer.planned import Inputs
from imagewright.packages.pypi.install import installed_files
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.members_archive import Member
from imagewright.packages.pypi.wheel import open_wheel
from imagewright.packages.target import Target
from imagewright.sandbox.stack import Stack, look_up

TESTS = "tests"
"""Folders of this name are left out: two thirds of the work for numpy, pandas, scipy and scikit-learn, and no task imports them."""

CACHE = "__pycache__"

_PACKAGES = frozenset({"site-packages", "dist-packages"})
_LEFT_OUT = frozenset({CACHE, "test", TESTS, "idle_test"})
_LIBRARIES = ("/usr/", "/opt/")
_LARGEST = 16 << 20

Source = tuple[str, bytes]
"""A path in the image, and the bytes there."""


def wheel_sources(
    wheels: Sequence[LockedWheel], target: Target, inputs: Inputs, allow_bad_record: frozenset[str]
) -> Iterator[Source]:
    """The Python files that these wheels install where they can be imported, but those that come with bytecode.

    Raises:
        RefusedArchive: IW303, a wheel is broken or hostile.
    """
    inside = target.site_packages + "/"
    seen: set[str] = set()
    for locked in sorted(wheels):
        with open_wheel(
            inputs.path(locked.file), locked.filename, allow_bad_record=locked.name in allow_bad_record
        ) as wheel:
            files = installed_files(wheel, target)
            compiled = {_source_of(file.path) for file in files if file.path.endswith(".pyc")}
            for file in files:
                path = file.path
                if not path.startswith(inside) or not path.endswith(".py") or path in seen or path in compiled:
                    continue
                if TESTS in path.removeprefix(inside).split("/"):
                    continue
                seen.add(path)  # of a file that two wheels have alike, the first one's is there
                content = file.content
                data = wheel.archive.read(content, file.recorded) if isinstance(content, Member) else content
                yield path, data


def library_sources(stack: Stack, target: Target) -> Iterator[Source]:
    """The Python files of the interpreter's own library that have no bytecode yet, sorted by path.

    For conda's Python its packages count as well: those for any platform, ``noarch: python``, come without bytecode.
    What is a link is left out: Debian has links to settings there, which may be changed.
    A library below a user's home is left as it is: a layer says who owns the folders on the way to its files.
    """
    home = os.path.dirname(os.path.dirname(target.interpreter))
    left_out = _LEFT_OUT if home == target.prefix else _LEFT_OUT | _PACKAGES
    for name in ("lib", "lib64"):
        library = stack.resolve(f"{home}/{name}/python{target.python}")
        if library.startswith(_LIBRARIES) and stack.exists(f"{library}/os.py"):
            yield from _walked(library, _folders(library, stack), stack, left_out)
            return


def _folders(path: str, stack: Stack) -> list[str]:
    """The layers' folders at a resolved path, topmost first."""
    found = list(reversed(stack.folders))
    for part in path.strip("/").split("/"):
        found = look_up(found, part)
    return found


def _walked(path: str, layers: list[str], stack: Stack, left_out: frozenset[str]) -> Iterator[Source]:
    """``layers`` are the folders at ``path``, topmost first."""
    compiled = {
        name.split(".", 1)[0] for one in look_up(layers, CACHE) if os.path.isdir(one) for name in os.listdir(one)
    }
    for name in sorted({name for one in layers for name in os.listdir(one)}):
        found = look_up(layers, name)
        if not found or os.path.islink(found[0]):
            continue
        if os.path.isdir(found[0]):
            if name not in left_out:
                yield from _walked(f"{path}/{name}", found, stack, left_out)
        elif name.endswith(".py") and name[: -len(".py")] not in compiled and os.path.isfile(found[0]):
            yield f"{path}/{name}", stack.read(f"{path}/{name}", limit=_LARGEST)


def _source_of(path: str) -> str:
    """The source of bytecode at ``path``. Source: PEP 3147."""
    folder, _, name = path.rpartition("/")
    return f"{folder.removesuffix(CACHE).rstrip('/')}/{name.split('.', 1)[0]}.py"
