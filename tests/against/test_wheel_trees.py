"""What a layer holds is what pip, uv and installer make of the same wheels: paths, bytes and modes.

Differences that are meant:

- ``INSTALLER`` names imagewright; ``RECORD`` is compared by what it says; ``REQUESTED`` and ``direct_url.json`` tell how
  somebody asked pip or uv for a package, which an image has no use for, and ``uv_cache.json`` is uv's own.
- Launchers are pip's, byte for byte. Those of uv and installer have other text; path, mode and first line are compared.
- pip gives its own distribution one command more for the interpreter's version; imagewright makes what is declared.
"""

import base64
import csv
import hashlib
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import installer
import pytest
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from imagewright.layer.planned import InputFile, NothingProven
from imagewright.oci.digest import digest_of
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.conflicts import check_conflicts
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.scripts import commands
from imagewright.packages.pypi.wheel_layer import WheelLayer
from imagewright.packages.target import Target

pytestmark = pytest.mark.network

# Pure and native ones, with scripts, programs, headers, data, namespaces and commands; few files, so that it stays fast.
WHEELS = [
    "argcomplete==3.7.2",
    "attrs==26.1.0",
    "bcrypt==5.0.0",
    "blinker==1.9.0",
    "certifi==2026.10.18",
    "charset-normalizer==3.5.2",
    "click==8.5.1",
    "distlib==0.4.4",
    "flask==3.1.3",
    "greenlet==3.5.6",
    "grpcio-status==1.85.1",
    "idna==3.20",
    "iniconfig==2.3.1",
    "ipykernel==7.4.0",
    "itsdangerous==2.2.0",
    "jinja2==3.1.6",
    "jmespath==1.1.0",
    "jupyter-core==5.9.1",
    "markupsafe==3.0.4",
    "msgpack==1.2.4",
    "ninja==1.13.2",
    "packaging==26.3",
    "pluggy==1.7.0",
    "protobuf==7.36.2",
    "psutil==7.2.2",
    "pybind11==3.1.0",
    "pynacl==1.6.2",
    "pytest==9.2.0",
    "python-dateutil==4.0.0",
    "pyyaml==6.0.3",
    "requests==2.34.2",
    "ruff==0.17.6",
    "six==1.17.0",
    "tqdm==4.70.1",
    "typing-extensions==4.16.0",
    "urllib3==2.8.0",
    "werkzeug==3.1.9",
    "wheel==0.48.0",
    "zope-interface==8.7",
]

_HOW_IT_CAME = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json")
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class File:
    """A file of a tree; ``mode`` is the permission bits."""

    mode: int
    data: bytes


Tree = dict[str, File]


@dataclass(frozen=True)
class Wheelhouse(NothingProven):
    """The downloaded wheels; also where layers find them."""

    paths: tuple[Path, ...]

    @property
    def locked(self) -> tuple[LockedWheel, ...]:
        return tuple(self._locked(path) for path in self.paths)

    def path(self, file: InputFile) -> Path:
        return Path(file.url.removeprefix("file://"))

    def _locked(self, path: Path) -> LockedWheel:
        data = path.read_bytes()
        name, version = path.name.split("-")[:2]
        return LockedWheel(name, version, InputFile(f"file://{path}", digest_of(data), len(data)))


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """The wheels, downloaded by pip."""
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, timeout=60).returncode:
        pytest.skip("pip is not installed beside the tests")
    cache = os.environ.get("IMAGEWRIGHT_TEST_CACHE")
    folder = Path(cache, "wheel-trees") if cache else tmp_path_factory.mktemp("wheel-trees")
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    said = subprocess.run([*pip, "download", *options, *WHEELS], capture_output=True, text=True, timeout=300)
    if said.returncode:
        pytest.skip(f"the wheels cannot be downloaded: {said.stderr.strip()[-300:]}")
    return Wheelhouse(tuple(sorted(folder.glob("*.whl"))))


def _by_pip(prefix: Path, wheels: tuple[Path, ...]) -> None:
    _run(sys.executable, "-m", "pip", "--python", f"{prefix}/bin/python", "install", "--no-compile", "--no-deps",
         "--no-index", "--no-warn-script-location", *map(str, wheels))  # fmt: skip


def _by_uv(prefix: Path, wheels: tuple[Path, ...]) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert uv, "uv is a dependency"
    _run(uv, "pip", "install", "--python", f"{prefix}/bin/python", "--no-deps", "--no-index", "--offline", "--no-config",
         "--link-mode=copy", "--cache-dir", f"{prefix}-cache", *map(str, wheels))  # fmt: skip


def _by_installer(prefix: Path, wheels: tuple[Path, ...]) -> None:
    site = f"{prefix}/lib/python{_PYTHON}/site-packages"
    for wheel in wheels:
        headers = f"{prefix}/include/site/python{_PYTHON}/{wheel.name.split('-')[0]}"
        folders = {
            "purelib": site,
            "platlib": site,
            "headers": headers,
            "scripts": f"{prefix}/bin",
            "data": str(prefix),
        }
        destination = SchemeDictionaryDestination(
            folders, interpreter=f"{prefix}/bin/python", script_kind="posix", overwrite_existing=False
        )
        with WheelFile.open(wheel) as source:
            installer.install(source, destination, additional_metadata={"INSTALLER": b"installer"})


def _run(*command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, umask=0o022, env=environment)
    assert said.returncode == 0, said.stderr


def _tree(prefix: Path) -> Tree:
    """All regular files below ``prefix``."""
    found: Tree = {}
    for top, _, names in os.walk(prefix):
        for name in names:
            path = Path(top, name)
            if not path.is_symlink():
                found[str(path.relative_to(prefix))] = File(stat.S_IMODE(path.stat().st_mode), path.read_bytes())
    return found


def _layers(prefix: Path, wheelhouse: Wheelhouse) -> Tree:
    """The files of a layer for each wheel, as tarfile reads them."""
    target = Target(Platform("linux", "amd64"), _PYTHON, sys.executable, ("glibc", "2.36"), str(prefix))
    found: Tree = {}
    for locked in wheelhouse.locked:
        out = io.BytesIO()
        WheelLayer((locked,), target).write(wheelhouse, out)
        out.seek(0)
        with tarfile.open(fileobj=out, mode="r:gz") as tar:
            for entry in tar:
                if entry.isdir():
                    assert (entry.mode, entry.uid, entry.gid) == (0o755, 0, 0)
                    continue
                content = tar.extractfile(entry)
                assert content is not None
                found["/" + entry.name] = File(entry.mode, content.read())
    return {path.removeprefix(f"{prefix}/"): file for path, file in found.items()}


def _launchers(wheelhouse: Wheelhouse) -> set[str]:
    """The commands that entry points declare."""
    names: set[str] = set()
    for path in wheelhouse.paths:
        with WheelFile.open(path) as source:
            if "entry_points.txt" in source.dist_info_filenames:
                names |= {command.name for command in commands(source.read_dist_info("entry_points.txt"))}
    return {f"bin/{name}" for name in names}


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everybody installs, one after the other: it is in the first line of scripts."""
    return tmp_path_factory.mktemp("trees") / "env"


@pytest.fixture(scope="session")
def ours(prefix: Path, wheelhouse: Wheelhouse) -> Tree:
    """What the layers hold."""
    return _layers(prefix, wheelhouse)


@pytest.fixture(scope="session", params=[_by_pip, _by_uv, _by_installer], ids=["pip", "uv", "installer"])
def who_and_theirs(request: pytest.FixtureRequest, wheelhouse: Wheelhouse, prefix: Path) -> Iterator[tuple[str, Tree]]:
    """Who installed, and what they made."""
    install: Callable[[Path, tuple[Path, ...]], None] = request.param
    venv.create(prefix, symlinks=True, with_pip=False)
    empty = {*_tree(prefix), ".lock"}  # uv locks the environment
    before = os.umask(0o022)
    try:
        install(prefix, wheelhouse.paths)
    finally:
        os.umask(before)
    yield (
        install.__name__.removeprefix("_by_"),
        {path: file for path, file in _tree(prefix).items() if path not in empty},
    )
    shutil.rmtree(prefix)


@pytest.fixture
def theirs(who_and_theirs: tuple[str, Tree]) -> Tree:
    """What they made."""
    return who_and_theirs[1]


def _without_origin(tree: Tree) -> Tree:
    return {
        path: file for path, file in tree.items()
        if not (path.rsplit("/", 1)[-1] in _HOW_IT_CAME and ".dist-info/" in path)
    }  # fmt: skip


def test_paths(theirs: Tree, ours: Tree) -> None:
    """The same files, no more and no less."""
    assert set(_without_origin(ours)) == set(_without_origin(theirs))


def test_bytes(who_and_theirs: tuple[str, Tree], ours: Tree, wheelhouse: Wheelhouse) -> None:
    """The same content; launchers as pip has them, and with the same first line as everybody's."""
    who, theirs = who_and_theirs
    launchers = set() if who == "pip" else _launchers(wheelhouse)

    different = [path for path, file in _without_origin(ours).items() if theirs[path].data != file.data]

    assert set(different) <= launchers
    for path in launchers:
        assert theirs[path].data.splitlines()[0] == ours[path].data.splitlines()[0]


def test_modes(theirs: Tree, ours: Tree) -> None:
    """The same permissions as under umask 022."""
    assert {path: oct(file.mode) for path, file in _without_origin(ours).items()} == {
        path: oct(file.mode) for path, file in _without_origin(theirs).items()
    }


def test_record(theirs: Tree, ours: Tree) -> None:
    """RECORD lists what the other's lists, and every digest and size in it is true."""
    site = f"lib/python{_PYTHON}/site-packages"
    records = [path for path in ours if path.endswith(".dist-info/RECORD") and Path(path).parents[1] == Path(site)]

    assert len(records) == len(WHEELS) >= 30
    for record in records:
        rows = {row[0]: row[1:] for row in csv.reader(ours[record].data.decode().splitlines())}
        known = {row[0] for row in csv.reader(theirs[record].data.decode().splitlines())}
        assert {row for row in rows if not row.endswith(_HOW_IT_CAME)} == {
            row for row in known if not row.endswith(_HOW_IT_CAME)
        }
        for row, (digest, size) in rows.items():
            file = ours[os.path.normpath(f"{site}/{row}")]
            if row == record.removeprefix(f"{site}/"):
                assert (digest, size) == ("", "")
            else:
                algorithm, _, encoded = digest.partition("=")
                true = hashlib.new(algorithm, file.data).digest()
                assert (encoded, size) == (base64.urlsafe_b64encode(true).rstrip(b"=").decode(), str(len(file.data)))


def test_no_conflicts(wheelhouse: Wheelhouse) -> None:
    """Packages that live together in one environment have no conflict."""
    target = Target(Platform("linux", "amd64"), _PYTHON, sys.executable, ("glibc", "2.36"))

    check_conflicts(wheelhouse.locked, wheelhouse, target)
