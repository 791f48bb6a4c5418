"""One build of a wheel in the sandbox: the sources in a folder that is thrown away, the hooks of the backend one by one."""

import json
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from imagewright.build.bytecode.compiler import Compiler
from imagewright.build.commands import EPOCH, command_timeout
from imagewright.build.download import Downloads
from imagewright.build.from_source import backend
from imagewright.build.from_source.contents import Contents
from imagewright.build.from_source.failure import failed
from imagewright.build.from_source.fetched import Fetched
from imagewright.build.from_source.layers import Bench
from imagewright.build.from_source.options import BuildOptions
from imagewright.build.from_source.surroundings import PREFIX, Surroundings
from imagewright.build.package_options import allow_bad_record
from imagewright.build.records import Records
from imagewright.build.run_step import StepRunner
from imagewright.build.session import Session
from imagewright.build.step import GIVEN, SCRATCH
from imagewright.errors import BuildError, SandboxError, StoreError, Where
from imagewright.events import StepOutput
from imagewright.oci.config import DEFAULT_PATH
from imagewright.packages.pypi.environment_layer import EnvironmentLayer
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.source import Source
from imagewright.packages.pypi.wheel_layer import WheelLayer
from imagewright.packages.target import Target
from imagewright.sandbox.bubblewrap import Bind, CannotStart, Command, Ended, probe, run
from imagewright.sandbox.bwrap import Bubblewrap, find_bubblewrap
from imagewright.sandbox.removal import remove
from imagewright.sandbox.rootfs import Rootfs
from imagewright.spec import ImageSpec
from imagewright.store.layout import Layout

_KEPT_LINES = 400


class Failed(Exception):
    """A hook ended badly; ``lines`` are its last ones."""

    def __init__(self, title: str, ended: Ended, lines: Sequence[str]) -> None:
        super().__init__(title)
        self.ended, self.lines = ended, tuple(lines)

    def explained(self, named: str, source: Source, name: str, where: Where | None, timeout: float) -> BuildError:
        """The error for people."""
        return failed(named, source, name, self.ended, self.lines, where, timeout=timeout)


class SandboxedBuild:
    """Builds for one spec. ``target`` has the prefix that build requirements go to."""

    def __init__(
        self, spec: ImageSpec, session: Session, inputs: Downloads, target: Target, options: BuildOptions
    ) -> None:
        self._spec, self._session, self._inputs = spec, session, inputs
        self._target, self._options = target, options

    @contextmanager
    def prepared(self, fetched: Fetched, contents: Contents, title: str) -> Iterator["Prepared"]:
        """A folder for one build, with its sources. While it is open nothing of the store or the sandbox is pruned.

        Raises:
            SandboxError: IW601, the machine lets no sandbox be made.
            StoreError: Nothing can be written.
        """
        bubblewrap = self._bubblewrap(title)
        store, rootfs = Layout(self._session.store_dir), Rootfs(self._session.rootfs_dir)
        with store.lease(), rootfs.lease():
            try:
                work = Path(tempfile.mkdtemp(dir=rootfs.folder, prefix="build-"))
            except OSError as error:
                raise StoreError(f"cannot write {rootfs.folder}", why=str(error)) from error
            try:
                steps = StepRunner(self._session.cache_dir, bubblewrap, self._session.listen)
                compiler = Compiler(self._session.rootfs_dir, lambda: bubblewrap)
                bench = Bench(store, Records(self._session.layers_dir), self._inputs, steps, compiler)
                prepared = Prepared(self._spec, self._session, self._target, self._options, title, bench, rootfs)
                prepared.enter(bubblewrap, work, fetched, contents)
                yield prepared
            finally:
                remove([str(work)])

    def _bubblewrap(self, title: str) -> Bubblewrap:
        try:
            found = find_bubblewrap()
            with tempfile.TemporaryDirectory(dir=self._session.cache_dir, prefix="probe-") as folder:
                probe(found, Path(folder))
            return found
        except SandboxError as error:
            raise SandboxError(
                f"this machine does not let imagewright make a sandbox, which is needed to {title} from source",
                code="IW601",
                why=[*error.why[:1], "Images with only packages that have wheels still build here."],
                fix=[*error.fix[:1], 'or allow wheels alone: builder_options={"only_binary": True}'],
                where=self._spec.where,
            ) from error


class Prepared:
    """A build whose sources are there."""

    def __init__(
        self,
        spec: ImageSpec,
        session: Session,
        target: Target,
        options: BuildOptions,
        title: str,
        bench: Bench,
        rootfs: Rootfs,
    ) -> None:
        self._spec, self._session, self._target, self._options = spec, session, target, options
        self._title, self._bench, self._rootfs = title, bench, rootfs

    def enter(self, bubblewrap: Bubblewrap, work: Path, fetched: Fetched, contents: Contents) -> None:
        """Lay out the files that the build is given."""
        self._bubblewrap = bubblewrap
        self._given, self._scratch = work / "given", work / "scratch"
        self._given.mkdir(mode=0o755)
        self._scratch.mkdir(mode=0o755)
        try:
            os.link(fetched.archive, self._given / "archive")
        except OSError:  # another file system
            shutil.copyfile(fetched.archive, self._given / "archive")
        shutil.copyfile(str(backend.__file__), self._given / "backend.py")
        settings = {
            "archive": "archive",
            "folder": contents.folder,
            "backend": contents.backend,
            "backend_path": list(contents.backend_path),
        }
        (self._given / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def asks(self, below: Surroundings, requires: Sequence[LockedWheel]) -> tuple[str, ...]:
        """The requirements that the backend has beyond those that the project names.

        Raises:
            Failed: The backend did.
        """
        self._run("requires", below, requires)
        answer = self._answer("requires")
        return tuple(map(str, answer)) if isinstance(answer, list) else ()

    def wheel(self, below: Surroundings, requires: Sequence[LockedWheel]) -> Path:
        """The wheel's file.

        Raises:
            Failed: The backend did.
            BuildError: IW304, there is no wheel.
        """
        self._run("wheel", below, requires)
        name = str(self._answer("wheel"))
        file = self._scratch / "wheel" / name
        if "/" in name or not name.endswith(".whl") or not file.is_file() or file.is_symlink():
            raise BuildError(f"{self._title}: its backend wrote no wheel", code="IW304", why=f"it answered {name!r}")
        return file

    def _answer(self, hook: str) -> object:
        try:
            answer: object = json.loads((self._scratch / f"{hook}.json").read_bytes())
        except (OSError, ValueError) as error:
            raise BuildError(f"{self._title}: its backend gave no answer", code="IW304", why=str(error)) from error
        return answer

    def _run(self, hook: str, below: Surroundings, requires: Sequence[LockedWheel]) -> None:
        packages = [WheelLayer((wheel,), self._target, allow_bad_record(self._spec)) for wheel in requires]
        layers = (*below.layers, EnvironmentLayer(self._target, system=False), *packages)
        stack = self._rootfs.prepare(self._bench.make(self._spec.name, layers, below.source))
        command = Command(
            (f"{PREFIX}/bin/python", f"{GIVEN}/backend.py", hook),
            {
                "PATH": f"{PREFIX}/bin:{DEFAULT_PATH}",
                "HOME": f"{SCRATCH}/home",
                "TMPDIR": f"{SCRATCH}/tmp",
                "LANG": "C.UTF-8",
                "SOURCE_DATE_EPOCH": EPOCH,
                "PYTHONHASHSEED": "0",
                "PYTHONDONTWRITEBYTECODE": "1",
                **self._options.env,
            },
            "/",
            "0",
            (Bind(self._given, GIVEN), Bind(self._scratch, SCRATCH, writable=True)),
            network=self._options.network,
            timeout_seconds=command_timeout(self._spec),
        )
        last: deque[str] = deque(maxlen=_KEPT_LINES)

        def said(line: str) -> None:
            last.append(line)
            self._session.listen(StepOutput(self._spec.name, self._title, line))

        try:
            ended = run(self._bubblewrap, stack, command, on_stdout=said, on_stderr=said)
        except (CannotStart, ValueError) as error:
            raise BuildError(
                f"{self._title}: the image's Python cannot be started", code="IW304", why=str(error)
            ) from error
        if ended.exit_code or ended.timed_out:
            raise Failed(self._title, ended, tuple(last))
