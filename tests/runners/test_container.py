"""Tasks in containers made from an image of this machine's own Python."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from tests.sandbox.layers import layer, member
from tests.sandbox.small_images import busybox_layer, python_layer

from imagewright.errors import IntegrityError, RunnerError, SandboxError, StoreError, TaskError
from imagewright.events import Event, TaskOutput, nobody
from imagewright.flow.values import Encoded, read_values
from imagewright.oci.config import HistoryEntry, ImageConfig
from imagewright.oci.descriptor import Descriptor, Layer
from imagewright.oci.digest import digest_of
from imagewright.oci.image import Image, assemble
from imagewright.oci.manifest import Manifest
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.parallel import run_all
from imagewright.runners.container import ContainerRunner
from imagewright.runners.images import image_for, stored_image
from imagewright.runners.protocol import Setup, TaskCall
from imagewright.sandbox.bubblewrap import probe
from imagewright.sandbox.bwrap import find_bubblewrap
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.store.layout import Layout

__all__ = ["busybox_layer", "python_layer"]

HERE = Platform.parse(f"linux/{os.uname().machine}")
CONFIG = ImageConfig(HERE, {"PATH": "/usr/bin:/bin", "COLOUR": "blue"}, workdir="/home/user", user="user")
APP = """
import os, sys
from pathlib import Path
from imagewright import task

@task
def add(a: int, b: int) -> int:
    print("adding")
    print("to stderr", file=sys.stderr)
    return a + b

@task
def around() -> dict:
    return {
        "uid": os.getuid(), "cwd": os.getcwd(), "home": os.path.expanduser("~"), "argv": sys.argv[0],
        "colour": os.environ["COLOUR"], "image": os.environ["IMAGEWRIGHT_IMAGE"], "file": __file__,
        "canary": os.environ.get("IMAGEWRIGHT_TEST_CANARY"), "wrapped": os.environ.get("WRAPPED"),
    }

@task
def write(text: str) -> Path:
    path = Path("out.txt")
    path.write_text(text)
    return path

@task
def read(path: Path) -> str:
    return path.read_text()

@task
def fail() -> int:
    numbers = {}
    return numbers["absent"]

@task
def end(code: int) -> None:
    print("last words", file=sys.stderr)
    os._exit(code)

@task
def crash(number: int) -> None:
    os.kill(os.getpid(), number)

@task
def wait() -> None:
    import signal
    print("waiting")
    signal.pause()

@task
def compiled() -> dict:
    import importlib.util
    import packaged
    import packaged_badly
    found = {m.__name__: os.path.exists(importlib.util.cache_from_source(m.__file__)) for m in (packaged, sys.modules[__name__])}
    return {**found, "uid": os.stat(packaged.__cached__).st_uid if packaged.__cached__ and os.path.exists(packaged.__cached__) else -1}

@task
def fill(size: int) -> None:
    bytearray(size)
"""


def put(store: Layout, config: ImageConfig, *layers: StoredLayer) -> Image:
    """An image in the store."""
    stored: list[Layer] = []
    for one in layers:
        data = b"".join(one.chunks())
        blob = Descriptor(one.media_type, digest_of(data), len(data))
        store.push(blob, [data])
        stored.append(Layer(blob, one.diff_id))
    image = assemble(config, stored, [HistoryEntry("test")] * len(stored))
    store.push(image.config_descriptor, [image.config])
    store.push(image.descriptor, [image.manifest])
    return image


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        probe(find_bubblewrap(), tmp_path_factory.mktemp("empty"))
    except SandboxError as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("cache")


class Runs:
    """Calls tasks of APP in an image."""

    def __init__(self, cache: Path, folder: Path, image: Image) -> None:
        (folder / "code").mkdir()
        (folder / "work").mkdir()
        self.root = folder / "code"
        (self.root / "app.py").write_text(APP)
        self.runner = ContainerRunner(Setup(cache, folder / "work"))
        self.image = Reference("", "test", "t", image.descriptor.digest)
        self.heard: list[Event] = []

    def call(self, task: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> TaskCall:
        file = PurePosixPath("app.py")
        return TaskCall(
            options.pop("name", task),
            f"app:{task}",
            self.root,
            file,
            arguments or {},
            str(self.image),
            "spec",
            **options,
        )

    def __call__(self, task: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> Any:
        return self.runner.run(self.call(task, arguments, **options), self.heard.append).value

    def plain(self, task: str, arguments: Mapping[str, Any] | None = None) -> Any:
        value = self(task, arguments)
        assert isinstance(value, Encoded)
        return read_values(value.folder, of="a test")["result"]


@pytest.fixture(scope="module")
def python_image(cache: Path, python_layer: StoredLayer) -> Image:
    return put(Layout(cache / "store"), CONFIG, python_layer)


@pytest.fixture
def runs(cache: Path, tmp_path: Path, python_image: Image) -> Runs:
    return Runs(cache, tmp_path, python_image)


def test_a_call_s_value_and_its_lines(runs: Runs) -> None:
    """A task runs in its image, its lines are told, and its value comes back."""
    value = runs.plain("add", {"a": 2, "b": 3})

    assert value == 5
    assert {(event.stream, event.text) for event in runs.heard if isinstance(event, TaskOutput)} == {
        ("stdout", "adding"),
        ("stderr", "to stderr"),
    }


def test_the_image_s_config_holds(runs: Runs) -> None:
    """Env, workdir and user are the image's, nothing comes from this process, and the task knows its image."""
    os.environ["IMAGEWRIGHT_TEST_CANARY"] = "canary"
    try:
        around = runs.plain("around")
    finally:
        del os.environ["IMAGEWRIGHT_TEST_CANARY"]

    assert around["uid"] == 1000
    assert (around["cwd"], around["home"]) == ("/home/user", "/home/user")
    assert (around["colour"], around["canary"]) == ("blue", None)
    assert (around["image"], around["file"]) == ("spec", "/root/app.py")


def test_the_entrypoint_comes_first(
    cache: Path, tmp_path: Path, python_layer: StoredLayer, busybox_layer: StoredLayer
) -> None:
    """An image's entrypoint is run with our command behind it, as docker does."""
    script = member("entry", b'#!/bin/sh\nWRAPPED=yes exec "$@"\n', mode=0o755)
    config = replace(CONFIG, entrypoint=("/entry",))
    runs = Runs(cache, tmp_path, put(Layout(cache / "store"), config, busybox_layer, python_layer, layer(script)))

    assert runs.plain("around")["wrapped"] == "yes"


def test_values_pass_from_container_to_container(runs: Runs) -> None:
    """A file that one task made is another one's input, without being read here."""
    path = runs("write", {"text": "hello"})

    assert runs.plain("read", {"path": path}) == "hello"


def test_a_task_s_exception(runs: Runs) -> None:
    """What a task raised comes with its own traceback and the line in the user's file."""
    with pytest.raises(TaskError) as caught:
        runs("fail")

    assert caught.value.code == "IW310"
    assert "raised KeyError: 'absent'" in caught.value.what
    assert 'return numbers["absent"]' in caught.value.traceback
    assert caught.value.where is not None
    assert caught.value.where.file == str(runs.root / "app.py")


@pytest.mark.parametrize("code", [0, 1, 7])
def test_a_task_that_ends_its_process(runs: Runs, code: int) -> None:
    """A process that ends itself, whatever code it gives, has no result."""
    with pytest.raises(TaskError) as caught:
        runs("end", {"code": code})

    assert caught.value.code == "IW310"
    if code:
        assert caught.value.what == f"task 'end' ended with exit code {code}"
        assert "| last words" in caught.value.why


def test_a_task_that_crashes(runs: Runs) -> None:
    """A signal is named, with what it most often means."""
    with pytest.raises(TaskError, match="signal SIGSEGV") as caught:
        runs("crash", {"number": int(signal.SIGSEGV)})

    assert "compiled package" in caught.value.why[0]


def test_a_time_limit(runs: Runs) -> None:
    """A task that takes longer than it may is ended, and the error says so."""
    with pytest.raises(TaskError, match=r"time limit of 0\.5 s") as caught:
        runs("wait", timeout_seconds=0.5)

    assert caught.value.code == "IW311"


def test_a_memory_limit(runs: Runs) -> None:
    """A task that uses more memory than it may is told from one that fails."""
    with pytest.raises(TaskError, match="more than its 100 MiB") as caught:
        runs("fill", {"size": 400 << 20}, memory_bytes=100 << 20)

    assert caught.value.code == "IW312"
    assert "@task(memory=...)" in caught.value.fix[0]


def test_calls_run_at_the_same_time(runs: Runs) -> None:
    """Several threads may call; a name that comes again gets its own folder."""
    calls = [runs.call("add", {"a": number, "b": 1}, name=f"add-{number % 2}") for number in range(4)]

    results = run_all(lambda call: runs.runner.run(call, nobody), calls, jobs=4)

    assert [result.value.document for result in results] == [1, 2, 3, 4]


def test_stop_ends_a_running_call(runs: Runs) -> None:
    """An interrupted run does not wait for its tasks."""
    stopper = threading.Thread(target=runs.runner.stop)

    def listen(event: Event) -> None:
        if isinstance(event, TaskOutput):
            stopper.start()

    with pytest.raises(TaskError, match="was stopped"):
        runs.runner.run(runs.call("wait"), listen)
    stopper.join()


def test_what_the_image_lacks(cache: Path, tmp_path: Path, python_layer: StoredLayer) -> None:
    """An image without Python, or whose user is not there, is an error of the call's."""
    store = Layout(cache / "store")
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    without = Runs(cache, tmp_path / "1", put(store, CONFIG, layer(member("etc/passwd", b"user:x:1:1::/:\n"))))
    nobody_there = Runs(cache, tmp_path / "2", put(store, replace(CONFIG, user="ghost"), python_layer))

    with pytest.raises(TaskError, match="cannot be started") as no_python:
        without("add")
    with pytest.raises(TaskError, match="cannot be started") as no_user:
        nobody_there("add")

    assert "no Python" in no_python.value.why[0]
    assert "'ghost'" in no_user.value.why[0]


def test_an_image_that_is_not_here(cache: Path) -> None:
    """An image that the store lacks, or has with other bytes, is not there."""
    store = Layout(cache / "store")
    image = put(store, CONFIG, layer(member("only here")))
    reference = Reference("", "test", "t", image.descriptor.digest)
    store.path(image.descriptor).chmod(0o644)
    store.path(image.descriptor).write_bytes(b"other")

    with pytest.raises(StoreError) as caught:
        image_for(reference, store)

    assert caught.value.code == "IW521"


def test_an_image_for_another_platform(tmp_path: Path) -> None:
    """A container cannot run programs of another processor, and the error names both."""
    store = Layout(tmp_path)
    image = put(store, replace(CONFIG, platform=Platform("linux", "s390x")), layer(member("a")))

    with pytest.raises(RunnerError, match="linux/s390x") as caught:
        stored_image(image.descriptor, store)

    assert caught.value.code == "IW701"


def test_an_image_that_contradicts_itself(tmp_path: Path) -> None:
    """Manifest and config have to speak of the same layers."""
    store = Layout(tmp_path)
    image = put(store, CONFIG, layer(member("a")), layer(member("b")))
    shorter = Manifest(image.config_descriptor, image.layers[:1]).to_bytes()
    blob = Descriptor(image.descriptor.media_type, digest_of(shorter), len(shorter))
    store.push(blob, [shorter])

    with pytest.raises(IntegrityError, match="contradicts itself"):
        stored_image(blob, store)


def test_packages_are_compiled_once(cache: Path, tmp_path: Path, python_layer: StoredLayer) -> None:
    """After the first task there is bytecode of what the code imports, which the task's user cannot write, and none of the code."""
    place = "usr/lib/python3/dist-packages"
    packages = layer(
        member(
            f"{place}/packaged.py",
            b"open('/tmp/side-effect', 'a').close()\n",
        ),
        member(f"{place}/packaged_badly.py", b"import sys\nif sys.argv[0] == '-c': __import__('os')._exit(3)\n"),
    )
    runs = Runs(cache, tmp_path, put(Layout(cache / "store"), CONFIG, python_layer, packages))

    first, second = runs.plain("compiled"), runs.plain("compiled")

    assert first == {"packaged": False, "app": False, "uid": -1}
    assert second == {"packaged": True, "app": False, "uid": 0 if os.geteuid() == 0 else 1000}


def test_a_change_of_the_code_is_seen(runs: Runs, cache: Path, tmp_path: Path) -> None:
    """A file of the same length with other content is not mistaken for the one that was run before."""
    first = runs.plain("add", {"a": 2, "b": 3})
    (runs.root / "app.py").write_text(APP.replace("a + b", "a * b"))
    (tmp_path / "again").mkdir()
    again = ContainerRunner(Setup(cache, tmp_path / "again"))

    value = again.run(runs.call("add", {"a": 2, "b": 3}), nobody).value

    assert (first, value.document) == (5, 6)


_INTERRUPTED = """
import signal, sys
from pathlib import Path, PurePosixPath
from imagewright.runners.container import ContainerRunner
from imagewright.runners.protocol import Setup, TaskCall
cache, work, root, image = sys.argv[1:]
runner = ContainerRunner(Setup(Path(cache), Path(work)))
call = TaskCall("wait", "app:wait", Path(root), PurePosixPath("app.py"), {}, image, memory_bytes=1 << 29)
try:
    runner.run(call, lambda event: print(event.text, flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_leaves_nothing(runs: Runs, cache: Path, tmp_path: Path) -> None:
    """After an interrupt there is no process, no control group, and no mount."""
    command = [sys.executable, "-c", _INTERRUPTED, str(cache), str(tmp_path / "work"), str(runs.root), str(runs.image)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"

        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()

    assert rest == "interrupted\n"
    assert list(Path("/sys/fs/cgroup").rglob(f"imagewright-{process.pid}-*")) == []
    assert str(cache) not in Path("/proc/mounts").read_text()
