"""Run ``uv pip compile`` and ``uv export``: the one place that knows uv's command line."""

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, SandboxError
from imagewright.packages.pypi.pylock_tags import full_version, uv_platform
from imagewright.packages.target import Target

TIMEOUT_SECONDS = 900  # a cold resolve of some hundred packages takes half a minute; this only ends one that hangs
_MOST_OUTPUT = 64 << 20

# Where the user's environment says nothing: an index that does not answer is given up after three tries, within 10 s.
_DEFAULTS = {"UV_HTTP_RETRIES": "2", "UV_HTTP_CONNECT_TIMEOUT": "3"}
# They speak of this machine's Python or of another project, not of the target.
_NOT_PASSED = ("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_WORKING_DIR", "UV_PROJECT", "UV_PYTHON_PLATFORM", "UV_NO_CACHE")


@dataclass(frozen=True, slots=True)
class Uv:
    """The uv program, its cache folder (imagewright's own), and the environment that it is run in."""

    cache: Path
    environ: Mapping[str, str] = field(repr=False)
    executable: str = ""

    def program(self) -> str:
        """The path of uv: the one named, else that of the ``uv`` package.

        Raises:
            SandboxError: There is none.
        """
        if self.executable:
            return self.executable
        import uv  # the package does nothing but find its program; 5 ms that only a resolve pays

        try:
            with _LOOKING:
                return uv.find_uv_bin()
        except FileNotFoundError as error:
            raise _no_uv(error) from error


_LOOKING = threading.Lock()
"""It asks sysconfig, which in Python 3.11 and 3.12 has no values while another thread reads them for the first time."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What uv said. ``text`` is a lock when ``status`` is 0; paths in it are relative to ``directory``."""

    status: int
    text: str
    said: str
    directory: Path


def run_uv(
    uv: Uv,
    requirements: Sequence[str],
    files: Sequence[Path],
    target: Target,
    *,
    directory: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    previous: str = "",
    platform: str = "",
    constraints: Sequence[str] = (),
    overrides: Sequence[str] = (),
    sources: bool = False,
) -> Compiled:
    """Resolve for the target with wheels alone. Versions in the lock ``previous`` are kept where they still fit.

    With ``sources`` a version that has only an sdist is taken as well. uv builds one to learn what it needs: only
    together with ``--no-deps``, when it does not ask that, is nothing built.

    ``files`` are of pip's kind, projects or scripts. ``platform`` is uv's flag for it where that is not to be the target's.

    Nothing is built and no interpreter is looked for: the one that runs this serves as uv's, whatever the target's is.
    """
    rest = [
        f"--python-version={full_version(target)}",
        platform or f"--python-platform={uv_platform(target)}",
        "--no-header", "--no-annotate", *arguments, *(["-"] if requirements else []), *map(str, files),
    ]  # fmt: skip
    text = "".join(f"{requirement}\n" for requirement in requirements)
    if sources and "--no-deps" not in arguments:
        raise AssertionError("uv would run build backends on this machine")
    return _run(
        uv,
        ("pip", "compile"),
        rest if sources else ["--no-build", *rest],
        directory,
        environment,
        text=text,
        previous=previous,
        files={"constraints": constraints, "overrides": overrides},
    )


def export_lock(
    uv: Uv,
    folder: Path,
    *,
    script: Path | None = None,
    arguments: Sequence[str],
    offline: bool = False,
    project: bool = False,
) -> Compiled:
    """What ``uv.lock`` in ``folder`` (or the lock of ``script``) says, as a lock that knows several environments.

    uv's own configuration counts and no setting of the spec does: the lock has every file's address and digest.
    ``project``: the project itself is one of the packages.
    """
    rest = [
        "--no-build",
        *(["--script", str(script)] if script else [] if project else ["--no-emit-project"]), "--no-header", *arguments,
        *(["--offline"] if offline else []),
    ]  # fmt: skip
    return _run(uv, ("export",), rest, folder, {})


def _run(
    uv: Uv,
    command: Sequence[str],
    rest: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    *,
    text: str = "",
    previous: str = "",
    files: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Compiled:
    environ = {name: value for name, value in {**uv.environ, **environment}.items() if name not in _NOT_PASSED}
    for name, value in _DEFAULTS.items():
        environ.setdefault(name, value)
    common = [
        "--format=pylock.toml", f"--python={sys.executable}", "--no-python-downloads",
        f"--cache-dir={uv.cache}", "--no-progress", "--color=never",
    ]  # fmt: skip
    with TemporaryDirectory(prefix="imagewright-lock-") as folder:
        lock = Path(folder).resolve() / "pylock.toml"
        if previous:
            lock.write_text(previous, encoding="utf-8")
        for flag, lines in files.items():
            if lines:
                named = lock.with_name(f"{flag}.txt")
                named.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                common.append(f"--{flag}={named}")
        try:
            said = subprocess.run(
                [uv.program(), *command, *common, f"--output-file={lock}", *rest],
                input=text.encode(),
                stdout=subprocess.DEVNULL,  # the lock is in the file
                stderr=subprocess.PIPE,
                cwd=directory,
                env=environ,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _no_uv(error) from error
        except subprocess.TimeoutExpired as error:
            raise LockError(
                f"uv found no resolution within {TIMEOUT_SECONDS} seconds",
                code="IW202",
                fix="narrow the requirements down: exact versions leave less to try",
            ) from error
        found = lock.read_bytes()[:_MOST_OUTPUT].decode() if lock.exists() and said.returncode == 0 else ""
    return Compiled(said.returncode, found, said.stderr[-65536:].decode(errors="replace"), lock.parent)


def _no_uv(error: OSError) -> SandboxError:
    return SandboxError(
        "uv, which resolves requirements, is not installed",
        code="IW602",
        why=str(error),
        fix="pip install --force-reinstall uv",
    )
