"""Task calls run in containers of their own on this machine: the image's layers stacked, the run's code above, bubblewrap."""

import os
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path, PurePosixPath

from imagewright.build.source import CODE_FOLDER, RUNTIME_FOLDER, code_layer
from imagewright.errors import TaskError
from imagewright.events import Listener, TaskOutput
from imagewright.flow.values import VALUES
from imagewright.layer.planned import InputFile, NothingProven
from imagewright.oci.config import DEFAULT_PATH, ImageConfig
from imagewright.oci.media_types import LAYER_GZIP
from imagewright.oci.reference import Reference
from imagewright.parallel import beside, cores
from imagewright.runners.bytecode import Stopped, bytecode_name, imported_names, make_bytecode
from imagewright.runners.ends import result_of
from imagewright.runners.handover import entrypoint, write_inputs
from imagewright.runners.images import ContainerImage, image_for
from imagewright.runners.protocol import Setup, TaskCall, TaskResult
from imagewright.sandbox.bubblewrap import Bind, CannotStart, Command, run
from imagewright.sandbox.bwrap import Bubblewrap, find_bubblewrap
from imagewright.sandbox.process import Stop
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.sandbox.stack import Stack
from imagewright.sandbox.users import UnknownUser, User, find_user
from imagewright.spec.files import CopiedFile
from imagewright.store.layout import Layout

PREFIX = "/opt/imagewright"
PREFIX_PYTHON = f"{PREFIX}/bin/python"
INPUTS, OUTPUTS = PurePosixPath("/imagewright/inputs"), PurePosixPath("/imagewright/outputs")
_LAST_LINES = 5


class ContainerRunner:
    """Runs each call in a container of its own. Values stay encoded: this machine needs none of the image's packages.

    What docker does is done: the image's env, workdir and user hold, and its entrypoint comes before the command.
    Safe to share between threads.
    """

    def __init__(self, setup: Setup) -> None:
        self._work = setup.work
        self._store = Layout(setup.cache / "store")
        self._rootfs = Rootfs(setup.cache / "rootfs")
        self._stop = Stop()
        self._lock = threading.Lock()
        self._bubblewrap: Bubblewrap | None = None
        self._images: dict[str, ContainerImage] = {}
        self._folders: dict[str, tuple[str, str]] = {}
        self._code: dict[tuple[Path, PurePosixPath, tuple[str, str]], StoredLayer] = {}
        self._modules: dict[tuple[Path, PurePosixPath], tuple[str, ...]] = {}
        self._claimed: set[str] = set()
        self._compiling: list[Stop] = []

    @property
    def jobs(self) -> int:
        """One for each processor: a task without work of its own, such as one that waits, costs little."""
        return max(2, cores())

    def stop(self) -> None:
        """End all containers at once; those that would start later as well."""
        for stop in (self._stop, *self._compiling):
            stop.stop()

    def run(self, call: TaskCall, listen: Listener) -> TaskResult:
        """Run the call in a container, and read what it left."""
        with self._lock:
            self._bubblewrap = self._bubblewrap or find_bubblewrap()
            image = self._images.get(call.image) or image_for(Reference.parse(call.image), self._store)
            self._images[call.image] = image
            code = self._code_of(call, self._folders_of(call, image))
        with self._rootfs.lease():
            modules = self._modules[call.root, call.file]
            name = bytecode_name([layer.diff_id for layer in image.layers], modules)
            compiled = self._rootfs.derived(name)
            stack = self._rootfs.prepare([*image.layers, code])
            if compiled is not None:
                return self._run(call, listen, self._bubblewrap, stack.with_top(compiled), image.config)
            if not self._claim(name):
                return self._run(call, listen, self._bubblewrap, stack, image.config)
            # Beside the first task, which compiles for itself meanwhile and so does not wait for what later ones need.
            compiling = Stop()
            self._compiling.append(compiling)
            with beside(lambda: self._compile(name, stack, image.config, modules, compiling)):
                try:
                    return self._run(call, listen, self._bubblewrap, stack, image.config)
                except BaseException:
                    compiling.stop()
                    raise

    def _claim(self, name: str) -> bool:
        """True for the first who asks."""
        with self._lock:
            new = name not in self._claimed
            self._claimed.add(name)
            return new

    def _compile(self, name: str, stack: Stack, config: ImageConfig, modules: tuple[str, ...], compiling: Stop) -> None:
        assert self._bubblewrap is not None
        bubblewrap = self._bubblewrap
        with suppress(CannotStart, Stopped):  # the task itself will say that there is no Python
            python = _interpreter(stack, config.env.get("PATH", DEFAULT_PATH))
            self._rootfs.derived(
                name,
                lambda folder: make_bytecode(
                    folder, stack, config, modules, bubblewrap=bubblewrap, python=python, stop=compiling
                ),
            )

    def _folders_of(self, call: TaskCall, image: ContainerImage) -> tuple[str, str]:
        """Where the code and the runtime go in this image: its /root, or /opt, may be a link."""
        if call.image not in self._folders:
            with self._rootfs.lease():
                stack = self._rootfs.prepare(image.layers)
                self._folders[call.image] = (stack.resolve(CODE_FOLDER), stack.resolve(RUNTIME_FOLDER))
        return self._folders[call.image]

    def _code_of(self, call: TaskCall, folders: tuple[str, str]) -> StoredLayer:
        """The layer of the user's files and of what calls a task, written once a run for each place of them."""
        key = (call.root, call.file, folders)
        if key not in self._code:
            path = self._work / f"code-{len(self._code)}"
            layer = code_layer(call.root / call.file, folders=folders)
            with path.open("wb") as out:
                diff_id = layer.write(_NoInputs(), out)
            self._code[key] = StoredLayer(diff_id, LAYER_GZIP, lambda: [path.read_bytes()])
            sources = [Path(file.source) for file in layer.trees[0].entries if isinstance(file, CopiedFile)]
            self._modules[call.root, call.file] = imported_names(
                path.read_bytes() for path in sources if path.suffix == ".py"
            )
        return self._code[key]

    def _run(
        self, call: TaskCall, listen: Listener, bubblewrap: Bubblewrap, stack: Stack, config: ImageConfig
    ) -> TaskResult:
        folder = self._folder(call)
        inputs, outputs = folder / "inputs", folder / "outputs"
        write_inputs(call, inputs)
        outputs.mkdir()
        try:
            user = find_user(config.user, stack.read("/etc/passwd"), stack.read("/etc/group"))
            _open_to(user, inputs, outputs)
            command = _command(
                call, stack, config, (Bind(inputs, str(INPUTS)), Bind(outputs, str(OUTPUTS), writable=True))
            )
            last: deque[str] = deque(maxlen=_LAST_LINES)

            def err(line: str) -> None:
                last.append(line)
                listen(TaskOutput(call.name, "stderr", line))

            ended = run(
                bubblewrap,
                stack,
                command,
                on_stdout=lambda line: listen(TaskOutput(call.name, "stdout", line)),
                on_stderr=err,
                stop=self._stop,
            )
        except (CannotStart, UnknownUser, ValueError) as error:
            raise TaskError(
                f"task '{call.title}' cannot be started in its image",
                why=str(error),
                fix="let the image have Python, its entrypoint's program, and its user",
                where=call.where,
            ) from error
        return result_of(call, ended, outputs, tuple(last))

    def _folder(self, call: TaskCall) -> Path:
        """An empty folder: a call that is tried again gets another one."""
        for number in range(1000):
            folder = self._work / (call.name if number == 0 else f"{call.name}.{number}")
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                continue
        raise AssertionError("a call is tried a few times, not a thousand")


def _command(call: TaskCall, stack: Stack, config: ImageConfig, binds: tuple[Bind, ...]) -> Command:
    env = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **config.env}
    env["PYTHONPATH"] = ":".join(filter(None, [RUNTIME_FOLDER, config.env.get("PYTHONPATH", "")]))
    env["IMAGEWRIGHT_IMAGE"] = call.declared or "none"  # unset, every spec would think that this is its image
    python = _interpreter(stack, config.env.get("PATH", DEFAULT_PATH))
    code = PurePosixPath(CODE_FOLDER)
    return Command(
        (*config.entrypoint, *entrypoint(call, python=python, code=code, inputs=INPUTS, outputs=OUTPUTS)),
        env,
        config.workdir or "/",
        config.user,
        binds,
        timeout_seconds=call.timeout_seconds,
        memory_bytes=call.memory_bytes,
        python=python,
    )


def _interpreter(stack: Stack, path: str) -> str:
    """The environment that our packages are in, else the first Python on the image's PATH."""
    folders = [folder for folder in path.split(":") if folder.startswith("/")]
    ours = [f"{folder}/python" for folder in folders if folder.startswith(PREFIX)]
    candidates = [*ours, PREFIX_PYTHON, *(f"{folder}/{name}" for name in ("python3", "python") for folder in folders)]
    for candidate in candidates:
        if stack.exists(candidate):
            return candidate
    raise CannotStart(f"the image has no Python: neither {PREFIX_PYTHON} nor python3 on {path}")


def _open_to(user: User, inputs: Path, outputs: Path) -> None:
    """Let the container's user read its inputs and write its outputs, whatever our umask is."""
    inputs.chmod(0o755)
    (inputs / VALUES).chmod(0o644)
    if os.geteuid() == 0:
        os.chown(outputs, user.uid, user.gid)


class _NoInputs(NothingProven):
    """What a layer of local files asks for: nothing."""

    def path(self, file: InputFile) -> Path:
        raise AssertionError(f"a code layer needs no {file.url}")
