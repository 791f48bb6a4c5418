"""The Pythons of a base image: found on its PATH and beside it, with the packages that each has."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from imagewright.build.base.system import debian_version
from imagewright.build.base.tree import Tree
from imagewright.dataclass import dataclass
from imagewright.oci.config import DEFAULT_PATH
from imagewright.spec.names import normalized_name

_NAME = re.compile(r"python(?:3(?:\.\d+)?)?")
_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-py3\.\d+)?\.(?:dist-info|egg-info)")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A package that the image has for a Python. ``commands`` says that it brings programs, which name their Python.

    ``own`` says that it is in the Python's own virtual environment, not in its system's folders.
    """

    name: str
    version: str
    commands: bool
    own: bool = False


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of an image. ``path`` is how it is called, ``program`` the file that this leads to.

    ``environment`` is the folder of its virtual environment, or "". ``system`` says that it sees its system's packages.
    ``full_version`` is "" where nothing tells it.
    """

    path: str
    program: str
    python: str
    full_version: str
    environment: str = ""
    system: bool = True

    @property
    def home(self) -> str:
        """The folder above bin: what Python calls its prefix."""
        return self.program.rpartition("/")[0].rpartition("/")[0]


def interpreters_of(tree: Tree, search_path: str) -> tuple[Interpreter, ...]:
    """Every Python, each program once: those on the image's PATH first, in its order, by the name that comes first."""
    folders = [folder.rstrip("/") for folder in (search_path or DEFAULT_PATH).split(":") if folder.startswith("/")]
    on_path = [f"{folder}/{name}" for name in ("python3", "python") for folder in folders]
    names = [path for path, _ in tree.paths() if _NAME.fullmatch(path.rpartition("/")[2])]
    versioned = sorted((path for path in names if path.rpartition("/")[0] in folders), key=_order)
    others = sorted((path for path in names if path.rpartition("/")[0] not in folders), key=_order)
    found: dict[tuple[str, str], Interpreter] = {}
    for path in (*on_path, *versioned, *others):
        interpreter = _interpreter(tree, path)
        if interpreter is not None:
            found.setdefault((interpreter.program, interpreter.environment), interpreter)
    return tuple(found.values())


def interpreter_at(tree: Tree, path: str) -> Interpreter | None:
    """The Python that is called ``path``."""
    return _interpreter(tree, path)


def is_on_path(interpreter: Interpreter, search_path: str) -> bool:
    """Whether a command without a folder finds it."""
    return interpreter.path.rpartition("/")[0] in [f.rstrip("/") for f in (search_path or DEFAULT_PATH).split(":")]


def distributions_of(tree: Tree, interpreter: Interpreter) -> tuple[Distribution, ...]:
    """The packages that it sees, as they hide each other: the environment's own, then the system's."""
    found: dict[str, Distribution] = {}
    for folder in package_folders(tree, interpreter):
        own = folder == tree.resolve(environment_packages(interpreter))
        for distribution in _distributions(tree, folder):
            found.setdefault(distribution.name, replace(distribution, own=own))
    return tuple(found[name] for name in sorted(found))


def environment_packages(interpreter: Interpreter) -> str:
    """Where the packages of its own virtual environment are; "" when it has none."""
    return f"{interpreter.environment}/lib/python{interpreter.python}/site-packages" if interpreter.environment else ""


def package_folders(tree: Tree, interpreter: Interpreter) -> tuple[str, ...]:
    """Where it looks for packages, in order. Debian's own Python looks into dist-packages instead (its README.venv)."""
    own = [environment_packages(interpreter)] if interpreter.environment else []
    library = f"{interpreter.home}/lib/python{interpreter.python}"
    system = [f"{library}/site-packages"]
    if interpreter.home == "/usr":
        system = [
            f"/usr/local/lib/python{interpreter.python}/dist-packages",
            "/usr/lib/python3/dist-packages",
            f"{library}/dist-packages",
            *system,
        ]
    return tuple(tree.resolve(folder) for folder in [*own, *(system if interpreter.system else [])])


def _interpreter(tree: Tree, path: str) -> Interpreter | None:
    folder = path.rpartition("/")[0]
    program = tree.resolve(path)
    entry = tree.entry(path)
    if entry is None or entry.kind != "file":
        return None
    python = _minor(tree, program, entry.text)
    if not python:
        return None
    above = tree.resolve(folder).rpartition("/")[0]
    settings = dict(_settings(tree.text(f"{above}/pyvenv.cfg")))
    environment = above if settings else ""
    system = not settings or settings.get("include-system-site-packages", "false").lower() == "true"
    return Interpreter(path, program, python, _full_version(tree, program, python, entry.text), environment, system)


def _minor(tree: Tree, program: str, version: str) -> str:
    """``3.11``, by the program's name or by its own words; of a small program, by the library beside it."""
    if match := re.fullmatch(r"python(3\.\d+)", program.rpartition("/")[2]):
        return match[1]
    if version:
        return ".".join(version.split(".")[:2])
    above = program.rpartition("/")[0].rpartition("/")[0]
    for path, _ in tree.paths():
        if match := re.fullmatch(re.escape(above) + r"/lib/python(3\.\d+)/os\.py", path):
            return match[1]
    return ""


def _full_version(tree: Tree, program: str, python: str, version: str) -> str:
    if version.startswith(f"{python}."):
        return version
    above = program.rpartition("/")[0].rpartition("/")[0]
    for path, entry in tree.paths():
        folder, _, name = path.rpartition("/")
        if (
            folder.startswith(f"{above}/lib")
            and name.startswith(f"libpython{python}.so")
            and entry.text.startswith(f"{python}.")
        ):
            return entry.text
        if folder == f"{above}/conda-meta" and (match := re.match(rf"python-({re.escape(python)}\.\d+)-", name)):
            return match[1]
    packaged = debian_version(tree, f"python{python}-minimal") if above == "/usr" else ""
    return packaged if packaged.startswith(f"{python}.") else ""


def _distributions(tree: Tree, folder: str) -> Iterator[Distribution]:
    for path, entry in tree.paths():
        above, _, name = path.rpartition("/")
        if above == folder and (match := _INFO.fullmatch(name)):
            yield Distribution(normalized_name(match["name"]), match["version"], entry.text == "commands")


def _settings(text: str) -> list[tuple[str, str]]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return [(name.strip().lower(), value.strip()) for name, _, value in pairs]


def _order(path: str) -> tuple[int, Sequence[int]]:
    """By how a person would look: few folders first, newer versions first."""
    match = re.search(r"python3\.(\d+)$", path)
    return path.count("/"), (-int(match[1]) if match else 0,)
