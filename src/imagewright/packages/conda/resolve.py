"""Match specs -> pinned packages, solved by py-rattler for the target's platform, whatever this machine's is."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from imagewright.dataclass import dataclass
from imagewright.errors import LockError, Where
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, parse_digest
from imagewright.oci.platform import Platform
from imagewright.packages.conda.channels import Channels
from imagewright.packages.conda.locked import LockedConda, LockedEnvironment, subdir_of
from imagewright.packages.conda.optional import check_installed
from imagewright.packages.conda.resolve_errors import explain

TIMEOUT_SECONDS = 600  # a cold solve over a large channel takes some seconds; this only ends one that hangs
_REQUEST_SECONDS = 60
_MOST_OUTPUT = 64 << 20

KERNEL = "5.10"
"""What ``__linux`` is solved for: the oldest kernel that a maintained Debian still runs on. The machine that a container
runs on decides the real one, which nobody knows when an image is built."""

_ARCHSPEC = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le"}

Pin = Callable[[str, Digest | None], InputFile]


@dataclass(frozen=True, slots=True)
class CondaRequest:
    """What is to be installed, onto what. ``libc`` is the base's; ``python`` what a Python has to be, or "".

    ``installed`` are packages of an image below, which stay as they are. ``image`` and ``where`` are for error texts.
    """

    specs: tuple[str, ...]
    channels: Channels
    platform: Platform
    libc: tuple[str, str]
    python: str = ""
    cuda: str = ""
    installed: tuple[LockedConda, ...] = ()
    image: str = ""
    where: Callable[[str], Where | None] = field(default=lambda part: None)


@dataclass(frozen=True, slots=True)
class Rattler:
    """How py-rattler is asked: its cache folder, and the environment that it is run in."""

    cache: Path
    environ: Mapping[str, str] = field(repr=False)
    offline: bool = False
    upgrade: bool = False


def resolve_conda(request: CondaRequest, prefix: str, rattler: Rattler, pin: Pin) -> LockedEnvironment:
    """The packages that ``request`` needs, without those that are installed below already.

    ``pin`` is asked for what a channel does not tell of a file.

    Raises:
        SpecError: A requirement is no match spec.
        LockError: It cannot be satisfied, there is no such package or channel, or an optional package is missing.
        NetworkError: A channel does not answer.
    """
    check_installed(request.where("conda_packages"))
    subdir = subdir_of(request.platform)
    if subdir is None or request.libc[0] != "glibc":
        there = "no conda packages" if subdir is None else f"{' '.join(request.libc)}, and conda packages need glibc"
        raise LockError(
            f"conda_packages cannot be installed onto the base of {request.image!r}",
            code="IW204",
            why=f"it is {request.platform}, for which there are {there}" if subdir is None else f"it has {there}",
            fix="leave base_image out, or take one that has glibc" if subdir else 'platform="linux/amd64"',
            where=request.where("conda_packages"),
        )
    answer = _ask(_question(request, subdir, rattler), rattler.environ)
    if "error" in answer:
        raise explain(answer, request, subdir)
    found = tuple(_locked(row, request.channels, pin) for row in answer["packages"])
    _check_layout(answer["packages"], request)
    below = set(request.installed)
    return LockedEnvironment(prefix, tuple(one for one in found if one not in below), tuple(sorted(request.specs)))


def virtual_packages(request: CondaRequest) -> list[tuple[str, str, str]]:
    """What is known of the machine that the image will run on: name, version and build.

    Source: conda's documentation, "Managing virtual packages".
    """
    found = [
        ("__unix", "0", "0"),
        ("__linux", KERNEL, "0"),
        ("__glibc", request.libc[1], "0"),
        ("__archspec", "1", _ARCHSPEC[request.platform.architecture]),
    ]
    return [*found, ("__cuda", request.cuda, "0")] if request.cuda else found


def _question(request: CondaRequest, subdir: str, rattler: Rattler) -> dict[str, Any]:
    exact = [f"{one.name}=={one.version}={one.build}" for one in request.installed]
    return {
        "channels": list(request.channels.names),
        "platform": subdir,
        "specs": [*request.specs, *exact],
        "constraints": [f"python {request.python}.*"] if request.python else [],
        "virtual": virtual_packages(request),
        "cache": str(rattler.cache),
        "offline": rattler.offline,
        "upgrade": rattler.upgrade,
        "timeout": _REQUEST_SECONDS,
    }


def _ask(question: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        said = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", str(Path(__file__).with_name("solve_worker.py"))],
            input=json.dumps(question).encode(),
            capture_output=True,
            env={**environ, "RUST_BACKTRACE": "0"},
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LockError(
            f"py-rattler found no resolution within {TIMEOUT_SECONDS} seconds",
            code="IW202",
            fix="narrow conda_packages down: exact versions leave less to try",
        ) from error
    try:
        answer = json.loads(said.stdout[:_MOST_OUTPUT])
    except ValueError as error:
        raise LockError(
            "py-rattler failed to solve conda_packages",
            code="IW200",
            why=said.stderr[-2000:].decode(errors="replace").strip().splitlines()[-3:] or f"status {said.returncode}",
        ) from error
    assert isinstance(answer, dict)
    return answer


def _locked(row: Mapping[str, Any], channels: Channels, pin: Pin) -> LockedConda:
    url = channels.public(row["url"])
    digest = parse_digest(f"sha256:{row['sha256']}") if row["sha256"] else None
    size = row["size"]
    file = InputFile(url, digest, size) if digest is not None and isinstance(size, int) else pin(url, digest)
    return LockedConda(row["name"], row["version"], row["build"], row["noarch"], file)


def _check_layout(rows: Sequence[Mapping[str, Any]], request: CondaRequest) -> None:
    """A Python that keeps its packages elsewhere: the one without a global lock."""
    for row in rows:
        expected = f"lib/python{'.'.join(row['version'].split('.')[:2])}/site-packages"
        if row["name"] == "python" and row["site_packages"] not in ("", expected):
            raise LockError(
                f"python {row['version']} {row['build']} of conda has its packages in {row['site_packages']}",
                code="IW204",
                why="imagewright does not install wheels for free-threaded Pythons",
                fix=f'conda_packages=["python={row["version"]}=*_cp*"]',
                where=request.where("conda_packages"),
            )
