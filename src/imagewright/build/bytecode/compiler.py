"""Makes layers of bytecode: the image's own interpreter compiles, in the sandbox and over its own layers alone."""

import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from imagewright.build.bytecode import compile_sources
from imagewright.build.bytecode.layer import BytecodeLayer
from imagewright.build.bytecode.sources import CACHE, Source, library_sources, wheel_sources
from imagewright.build.step import GIVEN, SCRATCH
from imagewright.errors import BuildError, StoreError
from imagewright.layer.encoder import Fast
from imagewright.layer.planned import Inputs, Sink
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID
from imagewright.parallel import cores
from imagewright.sandbox.bubblewrap import Bind, CannotStart, Command, Ended, run
from imagewright.sandbox.bwrap import Bubblewrap
from imagewright.sandbox.process import Stop
from imagewright.sandbox.removal import remove
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.sandbox.stack import Stack
from imagewright.sandbox.users import UnknownUser

_TIME_LIMIT = 3600.0
_KEPT_LINES = 6
_NUMBER = 8


class Compiler:
    """Makes the layers of bytecode of a build. Safe to share between threads.

    ``rootfs`` is where layers are unpacked; ``find`` finds the bwrap, once one is needed, or says why there is none.
    """

    def __init__(self, rootfs: Path, find: Callable[[], Bubblewrap]) -> None:
        self._rootfs = Rootfs(rootfs)
        self._find = find
        self._bubblewrap: Bubblewrap | None = None
        self._lock = threading.Lock()
        self._stop = Stop()

    def stop(self) -> None:
        """End what runs at once; called from another thread."""
        self._stop.stop()

    def check(self) -> Bubblewrap:
        """See that sandboxes can be made, before anything is done.

        Raises:
            SandboxError: IW601 or IW603, they cannot.
        """
        with self._lock:
            self._bubblewrap = self._bubblewrap or self._find()
            return self._bubblewrap

    def write(self, name: str, layer: BytecodeLayer, below: Sequence[StoredLayer], inputs: Inputs, out: Sink) -> DiffID:
        """Write a layer for image ``name``; ``below`` are the interpreter's layers, lowest first.

        Raises:
            BuildError: IW307, the interpreter does not do it; IW303, a wheel is broken or hostile.
            SandboxError: IW601, IW603.
            StoreError: There is no space.
        """
        bubblewrap = self.check()
        with self._rootfs.lease():
            stack = self._rootfs.prepare(below)
            try:
                work = Path(tempfile.mkdtemp(dir=self._rootfs.folder, prefix="bytecode-"))
                try:
                    return self._write(name, layer, stack, inputs, out, work, bubblewrap)
                finally:
                    remove([str(work)])
            except OSError as error:
                raise StoreError(f"cannot write {self._rootfs.folder}", why=str(error)) from error

    def _write(
        self,
        name: str,
        layer: BytecodeLayer,
        stack: Stack,
        inputs: Inputs,
        out: Sink,
        work: Path,
        bubblewrap: Bubblewrap,
    ) -> DiffID:
        target = layer.compiling.target
        given, made = work / "given", work / "made"
        given.mkdir(mode=0o755)
        made.mkdir(mode=0o755)
        paths = _hand_over(
            wheel_sources(layer.wheels, target, inputs, layer.allow_bad_record)
            if layer.wheels
            else library_sources(stack, target),
            given,
        )
        if paths:
            self._compile(name, layer, stack, given, made, bubblewrap)
        with LayerWriter(out, encoder=Fast()) as writer:
            for path, bytecode in _compiled(paths, made, name, layer):
                if not layer.wheels:
                    _folders(path, stack, writer)
                writer.file(path, bytecode)
        return writer.diff_id

    def _compile(
        self, name: str, layer: BytecodeLayer, stack: Stack, given: Path, made: Path, bubblewrap: Bubblewrap
    ) -> None:
        compiling = layer.compiling
        script = Path(str(compile_sources.__file__)).read_bytes()
        (given / "compile_sources.py").write_bytes(script)
        command = Command(
            (
                compiling.target.interpreter,
                *("-S", "-s", f"{GIVEN}/compile_sources.py", GIVEN, SCRATCH),
                *(str(cores()), str(compiling.level), "1" if compiling.checked else "0"),
            ),
            # Before 3.11 a set among the constants has the order of its hashes.
            {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore", "LANG": "C.UTF-8"},
            "/",
            "0",
            (Bind(given, GIVEN), Bind(made, SCRATCH, writable=True)),
            network=False,
            timeout_seconds=_TIME_LIMIT,
        )
        last: deque[str] = deque(maxlen=_KEPT_LINES)
        try:
            ended = run(bubblewrap, stack, command, on_stdout=last.append, on_stderr=last.append, stop=self._stop)
        except (CannotStart, UnknownUser, ValueError) as error:
            fix = "a base image whose Python starts, or leave compile_bytecode out"
            raise _failed(name, layer, [str(error)], fix) from error
        if ended.exit_code or ended.timed_out or ended.stopped:
            raise _failed(name, layer, [_how(ended), *(f"| {line}" for line in last)])


def _hand_over(sources: Iterable[Source], given: Path) -> list[str]:
    """Write what `compile_sources` reads; the paths, in the order of the index."""
    paths: list[str] = []
    with open(given / "index", "wb") as index, open(given / "sources", "wb") as content:
        for path, data in sources:
            if "\n" in path:
                continue
            paths.append(path)
            index.write(b"%d %s\n" % (len(data), os.fsencode(path)))
            content.write(data)
    return paths


def _compiled(paths: Sequence[str], made: Path, name: str, layer: BytecodeLayer) -> Iterable[tuple[str, bytes]]:
    """What was made, each with its place in the image, in the order of the places."""
    if not paths:
        return
    tag = (made / "tag").read_text("ascii") if (made / "tag").is_file() else ""
    level = layer.compiling.level
    ending = f".{tag}.opt-{level}.pyc" if level else f".{tag}.pyc"
    found: dict[str, tuple[Path, int, int]] = {}
    for file in sorted(made.iterdir()):
        if file.name == "tag":
            continue
        with open(file, "rb") as records:
            while header := records.read(2 * _NUMBER):
                number, size = int.from_bytes(header[:_NUMBER], "little"), int.from_bytes(header[_NUMBER:], "little")
                if number >= len(paths) or not tag or "/" in tag:
                    raise _failed(name, layer, ["what it wrote cannot be read"])
                folder, _, source = paths[number].rpartition("/")
                found[f"{folder}/{CACHE}/{source.removesuffix('.py')}{ending}"] = file, records.tell(), size
                records.seek(size, os.SEEK_CUR)
    for path, (file, offset, size) in sorted(found.items()):
        with open(file, "rb") as records:
            records.seek(offset)
            yield path, records.read(size)


def _folders(path: str, stack: Stack, writer: LayerWriter) -> None:
    """The image's own folders on the way to a path stay as they are. They are root's: see `library_sources`."""
    parts = path.split("/")[1:-2]
    for depth in range(1, len(parts) + 1):
        folder = "/" + "/".join(parts[:depth])
        writer.directory(folder, stack.status(folder).st_mode & 0o7777)


def _how(ended: Ended) -> str:
    if ended.timed_out:
        return f"it did not end within {_TIME_LIMIT:g} s"
    if ended.stopped:
        return "it was stopped"
    if ended.signal is not None:
        return f"it was ended by signal {ended.signal.name}"
    return "one of its processes was ended" if ended.exit_code == 1 else f"it ended with exit code {ended.exit_code}"


def _failed(name: str, layer: BytecodeLayer, why: Sequence[str], *fix: str) -> BuildError:
    target = layer.compiling.target
    return BuildError(
        f"the {layer.title} cannot be made for image {name!r}",
        code="IW307",
        why=[f"{target.interpreter} of the image, which compiles it: {why[0]}", *why[1:]],
        kept="all layers that were written",
        fix=fix
        or ("build again when there is more memory", "or leave compile_bytecode out: containers then start slower"),
    )
