"""Runs a step in the sandbox over the layers below it; what it changed becomes a layer."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from imagewright.build.kept_lines import KeptLines
from imagewright.build.leaks import without_secrets
from imagewright.build.redaction import Redactor
from imagewright.build.secrets import read_secrets
from imagewright.build.step import GIVEN, SCRATCH, Step
from imagewright.build.step_failure import cannot_start, failed
from imagewright.build.stepping import stepping_fields
from imagewright.dataclass import dataclass
from imagewright.errors import SandboxError, StoreError
from imagewright.events import Listener, Noted, StepOutput
from imagewright.layer.encoder import Fast
from imagewright.layer.planned import Inputs, Sink
from imagewright.layer.writer import LayerWriter
from imagewright.oci.digest import DiffID
from imagewright.oci.platform import Platform
from imagewright.sandbox.apart import Apart, do_apart
from imagewright.sandbox.bubblewrap import Bind, CannotStart, Command, mount_points, probe, run
from imagewright.sandbox.bwrap import STEP_CAPABILITIES, Bubblewrap, find_bubblewrap
from imagewright.sandbox.difference import difference, last_contents, write_changes
from imagewright.sandbox.emulation import cannot_run, this_platform
from imagewright.sandbox.owners import with_owners
from imagewright.sandbox.process import Stop
from imagewright.sandbox.removal import remove
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.sandbox.stack import Stack
from imagewright.sandbox.users import UnknownUser
from imagewright.spec import ImageSpec

_ONE_USER = "no ids are lent to this user (uidmap, /etc/subuid), so commands and apt see every file as root's, and copy it as such"


@dataclass(frozen=True, slots=True)
class _Job:
    """A step on its way to where it runs: ``files`` are those of its inputs, ``secrets`` the values, by name."""

    image: str
    step: Step
    files: Mapping[str, Path]
    cache: Path
    bubblewrap: Bubblewrap
    secrets: Mapping[str, bytes] = field(repr=False)


class StepRunner:
    """Runs the steps of builds below a cache folder. Safe to share between threads.

    ``environ`` is what secrets are taken from.
    """

    def __init__(
        self, cache: Path, bubblewrap: Bubblewrap, listen: Listener, environ: Mapping[str, str] | None = None
    ) -> None:
        self._environ = environ or {}
        self._cache = cache
        self._bubblewrap = bubblewrap
        self._listen = listen
        self._stop = Stop()

    def stop(self) -> None:
        """End what runs at once; called from another thread."""
        self._stop.stop()

    def check(self, name: str, steps: Iterable[Step]) -> None:
        """See that the secrets of steps that are going to run are there, before anything is done.

        Raises:
            BuildError: IW305, one is not.
        """
        for step in steps:
            read_secrets(step.secrets, self._environ, image=name)

    def run(self, name: str, step: Step, below: Sequence[StoredLayer], inputs: Inputs, out: Sink) -> DiffID:
        """Run a step of image ``name``, and write the layer of what it changed.

        Raises:
            BuildError: IW301, the command failed, or took too long; IW302, what it left cannot be in a layer; IW305,
                a secret is not there; IW306, it is in what the command left.
            SandboxError: IW601, the machine does not let the sandbox be made.
            StoreError: There is no space.
        """

        def hear(said: object) -> None:
            if isinstance(said, str):
                self._listen(StepOutput(name, step.title, said))
            elif isinstance(said, bytes):
                out.write(said)
            elif isinstance(said, Noted):
                self._listen(said)

        files = {given: inputs.path(file) for given, file in step.files}
        secrets = read_secrets(step.secrets, self._environ, image=name)
        job = _Job(name, step, files, self._cache, self._bubblewrap, secrets)
        return do_apart(_run_step, job, layers=below, hear=hear, stop=self._stop)


def _run_step(place: Apart, below: Sequence[StoredLayer], job: _Job) -> DiffID:
    """Run the step where this is root. Lines of output, notes and the bytes of the layer are what is said."""
    if not place.several:
        place.say(Noted(_ONE_USER))
    rootfs = place.rootfs(job.cache)
    with rootfs.lease():
        try:
            # Beside the unpacked layers, as overlayfs wants it; what a killed process leaves there, prune removes.
            work = Path(tempfile.mkdtemp(dir=rootfs.folder, prefix="step-"))
        except OSError as error:
            raise StoreError(f"cannot write {rootfs.folder}", why=str(error)) from error
        try:
            # One layer at a time: they may come from the process that asked for this, on the way that they are asked for.
            stack = rootfs.prepare(below, jobs=None if place.direct else 1)
            binds = _given(job.step, job.files, work)
            upper = work / "overlay"
            began = time.time()
            argv = _beforehand(job, place, stack, binds, work)
            command = _command(job, argv, binds)
            output = KeptLines()
            redacted = Redactor(job.secrets.values()).redacted

            def said(line: str) -> None:
                line = redacted(line)
                output.add(line)
                place.say(line)

            try:
                ended = run(
                    job.bubblewrap, stack, command, on_stdout=said, on_stderr=said, upper=upper, stop=place.stop
                )
            except (CannotStart, UnknownUser, ValueError) as error:
                raise cannot_start(job.step, job.image, str(error), below=len(below)) from error
            if ended.exit_code or ended.timed_out or ended.stopped:
                raise failed(job.step, job.image, ended, output, below=len(below), one_user=not place.several)
            ignored = (*mount_points(stack, command), *job.step.ignored)
            changes = difference(upper / "upper", stack, ignored=ignored, newest=began)
            if job.secrets:
                changes = without_secrets(changes, job.secrets, job.step, job.image)
            with last_contents() as read, LayerWriter(_Saying(place.say), encoder=Fast()) as writer:
                write_changes(changes if place.several else with_owners(changes, below), writer, read=read)
            return writer.diff_id
        finally:
            remove([str(work)])


def _beforehand(job: _Job, place: Apart, stack: Stack, binds: tuple[Bind, ...], work: Path) -> tuple[str, ...]:
    """Make the upper folder, with what is done natively; the command that is left to run."""
    upper = work / "overlay/upper"
    upper.mkdir(parents=True)
    upper.chmod(0o755)
    if job.step.beforehand is None:
        return job.step.argv

    def is_harmless(argv: tuple[str, ...]) -> bool:
        tried = work / "tried"
        (tried / "upper").mkdir(parents=True)
        (tried / "upper").chmod(0o755)
        command, nobody = _command(job, argv, binds), lambda line: None
        try:
            ended = run(
                job.bubblewrap, stack, command, on_stdout=nobody, on_stderr=nobody, upper=tried, stop=place.stop
            )
        except (CannotStart, UnknownUser, ValueError):
            return False
        ignored = (*mount_points(stack, command), *job.step.ignored)
        changed = next(difference(tried / "upper", stack, ignored=ignored, newest=0), None)
        return not ended.exit_code and not ended.timed_out and not ended.stopped and changed is None

    try:
        argv = job.step.beforehand.prepare(job.files, stack, upper, work / "given", is_harmless)
    except OSError as error:
        raise StoreError(f"cannot write {upper}", why=str(error)) from error
    if argv is None:
        remove([str(upper)])
        upper.mkdir()
        upper.chmod(0o755)
    return argv or job.step.argv


@dataclass(frozen=True, slots=True)
class _Saying:
    """A layer's bytes are said to whoever keeps them."""

    say: Callable[[object], None]

    def write(self, data: bytes | memoryview, /) -> int:
        self.say(bytes(data))
        return len(data)


def _command(job: _Job, argv: tuple[str, ...], binds: tuple[Bind, ...]) -> Command:
    step = job.step
    variables = {one.name: _variable(job.secrets[one.name]) for one in step.secrets if one.variable}
    return Command(
        argv,
        {**step.env, **variables},
        step.workdir,
        "0",
        binds,
        network=step.network,
        timeout_seconds=step.timeout_seconds,
        capabilities=STEP_CAPABILITIES,
        secrets=job.secrets,
        discarded=True,
    )


def _variable(value: bytes) -> str:
    """What a shell would make of the file: without the line's end."""
    return os.fsdecode(value.removesuffix(b"\n").removesuffix(b"\r"))


def _given(step: Step, files: Mapping[str, Path], work: Path) -> tuple[Bind, ...]:
    """The files of the step, in a folder that it can only read, and an empty one to write to."""
    if not step.files and not step.texts:
        return ()
    given, scratch = work / "given", work / "scratch"
    given.mkdir(mode=0o755)
    scratch.mkdir(mode=0o755)
    for name, text in step.texts:
        (given / name).write_text(text, encoding="utf-8")
    for name, path in files.items():
        try:
            os.link(path, given / name)
        except OSError:  # another file system
            shutil.copyfile(path, given / name)
    return (Bind(given, GIVEN), Bind(scratch, SCRATCH, writable=True))


def step_runner(
    spec: ImageSpec, cache: Path, listen: Listener, platform: Platform, environ: Mapping[str, str] | None = None
) -> StepRunner | None:
    """What runs the spec's steps; None when it has none. Asked before any other work of a build.

    Raises:
        SandboxError: The machine lets no sandbox be made (IW601), or does not run programs of the platform (IW603), and
            these fields need it.
    """
    if not stepping_fields(spec):
        return None
    return StepRunner(cache, sandbox_for(spec, cache, platform, stepping_fields(spec)), listen, environ)


def sandbox_for(spec: ImageSpec, cache: Path, platform: Platform, fields: Sequence[str]) -> Bubblewrap:
    """The bwrap that makes sandboxes for these fields of a spec and runs a platform's programs, once it is known that it can.

    Raises:
        SandboxError: IW601 or IW603, it cannot, and these fields need one.
    """
    if why := cannot_run(platform):
        raise SandboxError(
            f"image {spec.name!r} for {platform} cannot be made on this machine: {' and '.join(fields)} "
            f"run{'s' if len(fields) == 1 and fields[0] != 'commands' else ''} programs of that platform",
            code="IW603",
            why=why,
            fix=[
                "apt-get install qemu-user-static   (or another emulator in binfmt_misc with the flag F)",
                f'or leave {" and ".join(fields)} out, or platform="{this_platform()}": packages and files need no emulator',
            ],
            where=spec.where_of(fields[0]),
        )
    try:
        bubblewrap = find_bubblewrap()
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="probe-") as folder:
            probe(bubblewrap, Path(folder))
    except SandboxError as error:
        raise SandboxError(
            f"this machine does not let imagewright make a sandbox, which {' and '.join(fields)} of image {spec.name!r} "
            f"need{'s' if len(fields) == 1 else ''}",
            code="IW601",
            why=[*error.why[:1], "Images with only Python packages and files still build here."],
            fix=[*error.fix[:1], f"or leave {' and '.join(fields)} out"],
            where=spec.where_of(fields[0]),
        ) from error
    return bubblewrap
