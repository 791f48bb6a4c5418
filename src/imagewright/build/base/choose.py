"""Which Python of a base image packages are installed for, and where our environment goes."""

from collections.abc import Sequence

from imagewright.build.base.interpreters import (
    Distribution,
    Interpreter,
    distributions_of,
    environment_packages,
    interpreter_at,
    interpreters_of,
    is_on_path,
)
from imagewright.build.base.locked import LockedImage
from imagewright.build.base.system import system_of
from imagewright.build.base.tree import Tree
from imagewright.dataclass import dataclass
from imagewright.errors import LockError
from imagewright.packages.target import Target
from imagewright.spec import ImageSpec
from imagewright.store.images import ReadImage

OPT = "/opt"
NAME = "imagewright"
CONDA = "imagewright-conda"
"""The folders of the environment of wheels, and of that of conda packages."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A locked base, and the packages that it has for its Python."""

    locked: LockedImage
    present: tuple[Distribution, ...]


def choose(spec: ImageSpec, image: ReadImage, tree: Tree) -> Chosen:
    """The base as a lock has it. Pure.

    With ``conda_packages`` it needs no Python that fits: then its target has none, and conda is asked for one.

    Raises:
        LockError: It has no Python, not the one that is asked for, or several and none is named (IW204).
    """
    name = str(spec.base_image)
    search_path = image.config.env.get("PATH", "")
    interpreter = _interpreter(spec, name, tree, search_path)
    system = system_of(tree)
    if not system.libc[0]:
        raise LockError(
            f"the base image {name} has no C library that wheels are made for",
            code="IW204",
            why="neither glibc nor musl was found in its layers",
            where=spec.where_of(name),
        )
    if spec.conda_packages:
        _check_no_conda(spec, name, tree)
    if interpreter is None:
        target = Target(image.config.platform, "", "", system.libc, f"{tree.resolve(OPT)}/{NAME}")
        return Chosen(LockedImage(name, image.descriptor, target, code_folder=tree.resolve("/root")), ())
    prefix, extends = _prefix(tree, interpreter)
    target = Target(
        image.config.platform,
        interpreter.python,
        interpreter.program,
        system.libc,
        prefix,
        interpreter.full_version,
    )
    packages = "" if extends else environment_packages(interpreter)
    locked = LockedImage(name, image.descriptor, target, packages, interpreter.system, extends, tree.resolve("/root"))
    return Chosen(locked, distributions_of(tree, interpreter))


def _prefix(tree: Tree, interpreter: Interpreter) -> tuple[str, bool]:
    """Where our environment goes, and whether it is the one of an image that imagewright made."""
    first = f"{tree.resolve(OPT)}/{NAME}"
    if interpreter.environment == first:
        return first, True
    prefix, number = first, 1
    while tree.entry(f"{prefix}/pyvenv.cfg") is not None:
        number += 1
        prefix = f"{first}-{number}"
    return prefix, False


def _interpreter(spec: ImageSpec, name: str, tree: Tree, search_path: str) -> Interpreter | None:
    found = interpreters_of(tree, search_path)
    wanted = ".".join((spec.python_version or "").split(".")[:2])
    if spec.python_exec:
        return _named(spec, name, tree, found, wanted)
    on_path = [one for one in found if is_on_path(one, search_path)]
    fitting = [one for one in (*on_path, *found) if not wanted or one.python == wanted]
    if spec.conda_packages and (not fitting or not (on_path or wanted)):
        return None
    if not found:
        raise LockError(
            f"the base image {name} has no Python",
            code="IW204",
            why="no program called python3 was found in its layers",
            fix=[
                "leave base_image out: the default base image has Python",
                'or take an image that has one: base_image="python:3.11-slim"',
                'or let conda bring one: conda_packages=["python=3.11"]',
            ],
            where=spec.where_of(name),
        )
    if not fitting:
        raise LockError(
            f"the base image {name} has no Python {spec.python_version}",
            code="IW204",
            why=f"it has {_listed(found)}",
            fix=[
                f'leave python_version out, or python_version="{found[0].python}"',
                "or name another base image",
            ],
            where=spec.where_of(spec.python_version or name),
        )
    if not on_path and len(found) > 1 and not wanted:
        raise LockError(
            f"the base image {name} has several Pythons, and none of them is on its PATH",
            code="IW204",
            why=f"it has {_listed(found)}",
            fix=f'python_exec="{found[0].path}"',
            where=spec.where_of(name),
        )
    _check_full_version(spec, name, fitting[0])
    return fitting[0]


def _check_no_conda(spec: ImageSpec, name: str, tree: Tree) -> None:
    if tree.entry(f"{tree.resolve(OPT)}/{CONDA}/conda-meta/history") is not None:
        raise LockError(
            f"the base image {name} has an environment of conda packages that imagewright made",
            code="IW204",
            why="a reference does not tell what was asked for there, so nothing can be added to it",
            fix="base_image=its ImageSpec adds to the environment",
            where=spec.where_of(name),
        )


def _named(spec: ImageSpec, name: str, tree: Tree, found: Sequence[Interpreter], wanted: str) -> Interpreter:
    assert spec.python_exec is not None
    interpreter = interpreter_at(tree, spec.python_exec)
    if interpreter is None:
        raise LockError(
            f"the base image {name} has no Python at {spec.python_exec}",
            code="IW204",
            why=f"it has {_listed(found)}" if found else "it has no Python at all",
            fix=f'python_exec="{found[0].path}"' if found else "take a base image that has Python",
            where=spec.where_of(spec.python_exec),
        )
    if wanted and interpreter.python != wanted:
        raise LockError(
            f"{spec.python_exec} of the base image {name} is Python {interpreter.python}, not {spec.python_version}",
            code="IW204",
            why=f"it has {_listed(found)}",
            fix="leave python_version out, or name another python_exec",
            where=spec.where_of(spec.python_exec),
        )
    _check_full_version(spec, name, interpreter)
    return interpreter


def _check_full_version(spec: ImageSpec, name: str, interpreter: Interpreter) -> None:
    wanted = spec.python_version or ""
    if wanted.count(".") == 2 and interpreter.full_version and interpreter.full_version != wanted:
        raise LockError(
            f"the base image {name} has no Python {wanted}",
            code="IW204",
            why=f"{interpreter.path} is Python {interpreter.full_version}",
            fix=f'python_version="{interpreter.python}"',
            where=spec.where_of(wanted),
        )


def _listed(found: Sequence[Interpreter]) -> str:
    return ", ".join(f"Python {one.full_version or one.python} at {one.path}" for one in found[:6])
