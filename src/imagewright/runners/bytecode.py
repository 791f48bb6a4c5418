"""Bytecode of the packages that a run's code imports, made once for an image: later tasks then start without compiling.

Images carry none unless their spec has ``compile_bytecode``, so without it each task would compile anew whatever it imports.
"""

import ast
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from imagewright.build.source import CODE_FOLDER, RUNTIME_FOLDER, runtime_files
from imagewright.errors import SandboxError
from imagewright.oci.config import ImageConfig
from imagewright.oci.digest import DiffID, canonical_json, digest_of, hex_of
from imagewright.sandbox.bubblewrap import Bind, CannotStart, Command, run
from imagewright.sandbox.bwrap import Bubblewrap
from imagewright.sandbox.process import Stop
from imagewright.sandbox.removal import remove
from imagewright.sandbox.stack import Stack
from imagewright.sandbox.users import UnknownUser, find_user
from imagewright.spec.files import spelled

_TIME_LIMIT = 120.0
_PREFIX = "/imagewright/bytecode"
_ENTRYPOINT = (
    "imagewright.flow.entrypoint",
    "imagewright.spec",
    "imagewright.flow.load",
    "imagewright.flow.values",
)
_IMPORT = """
import importlib, sys
from importlib import _bootstrap_external as external

place = external.cache_from_source


def cache_from_source(path, *arguments, **named):
    # Bytecode that is in the image and counts whatever the times are: with a prefix Python does not look there.
    prefix, sys.pycache_prefix = sys.pycache_prefix, None
    try:
        there = place(path, *arguments, **named)
        with open(there, "rb") as file:
            if file.read(8)[4] & 1:
                return there
    except (OSError, IndexError):
        pass
    finally:
        sys.pycache_prefix = prefix
    return place(path, *arguments, **named)


external.cache_from_source = cache_from_source
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except BaseException:
        pass
"""


class Stopped(Exception):
    """It was ended before it was complete."""


def imported_names(sources: Iterable[bytes]) -> tuple[str, ...]:
    """The modules that these Python files import by name, at their top or inside of functions; sorted."""
    names: set[str] = set()
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    return tuple(sorted(names))


def bytecode_name(layers: Sequence[DiffID], modules: Sequence[str]) -> str:
    """The name of the folder with the bytecode of these modules, and of our own runtime, in an image of these layers."""
    document = {"layers": list(layers), "modules": list(modules), "runtime": spelled(runtime_files())}
    return "bytecode-" + hex_of(digest_of(canonical_json(document)))


def make_bytecode(
    folder: str,
    stack: Stack,
    config: ImageConfig,
    modules: Sequence[str],
    *,
    bubblewrap: Bubblewrap,
    python: str,
    stop: Stop,
) -> int:
    """Fill ``folder`` with the bytecode that importing these modules writes, in the places where Python looks; its bytes.

    They are imported in a container of the image, as its user, where none of the user's code runs: a task could
    otherwise leave bytecode for the next one that is not the package's. Bytecode of the code folder is not kept: files
    there have no times, so it would outlive a change. What cannot be imported is passed over, and so is what the image has.

    Raises:
        Stopped: ``stop`` was called meanwhile.
    """
    scratch = Path(folder, "scratch")
    scratch.mkdir()
    argv = (python, "-I", "-X", f"pycache_prefix={_PREFIX}", "-c", _IMPORT, RUNTIME_FOLDER, *_ENTRYPOINT, *modules)
    env = {name: value for name, value in config.env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    binds = (Bind(scratch, _PREFIX, writable=True),)
    command = Command(argv, env, "/", config.user, binds, network=False, timeout_seconds=_TIME_LIMIT, python=python)
    try:
        if os.geteuid() == 0:
            user = find_user(config.user, stack.read("/etc/passwd"), stack.read("/etc/group"))
            os.chown(scratch, user.uid, user.gid)
        ended = run(bubblewrap, stack, command, on_stdout=_nobody, on_stderr=_nobody, stop=stop)
        if ended.stopped:
            raise Stopped
        os.chmod(folder, 0o755)
        return sum(_keep(path, scratch, Path(folder), stack) for path in sorted(scratch.rglob("*.pyc")))
    except (CannotStart, UnknownUser, SandboxError):
        return 0  # the task itself will say it
    finally:
        remove([str(scratch)])


def _keep(written: Path, scratch: Path, folder: Path, stack: Stack) -> int:
    """Move one file, written below `_PREFIX` at its source's path, to ``__pycache__`` beside the source; its bytes."""
    try:
        place = PurePosixPath(stack.resolve("/" + str(written.parent.relative_to(scratch))))
    except ValueError:
        return 0
    if (
        written.is_symlink()
        or not written.is_file()
        or place.is_relative_to(CODE_FOLDER)
        or not stack.exists(str(place))
    ):
        return 0
    path = folder
    for depth in range(1, len(place.parts)):
        # overlayfs shows the topmost folder's mode and owner, so they have to be what the image has there.
        path = path / place.parts[depth]
        if not path.is_dir():
            status = stack.status(str(PurePosixPath(*place.parts[: depth + 1])))
            path.mkdir()
            os.chown(path, status.st_uid, status.st_gid)
            path.chmod(status.st_mode & 0o7777)
    target = path / "__pycache__"
    target.mkdir(mode=0o755, exist_ok=True)
    os.chown(written, os.geteuid(), os.getegid())
    written.chmod(0o644)
    size = written.stat().st_size
    written.rename(target / written.name)
    return size


def _nobody(line: str) -> None:
    """Nobody wants to hear what packages say when they are imported."""
