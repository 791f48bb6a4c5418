"""uv.lock as requirements: what uv locked, for the target, without a question to any index."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.build.download import Downloads
from imagewright.errors import LockError, SpecError
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import Resolution, resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.target import Target
from imagewright.testing.index import PackageIndex
from imagewright.testing.wheels import make_wheel
from imagewright.transport import Transport

PROJECT = """\
[project]
name = "mine"
version = "1"
requires-python = ">=3.9"
dependencies = ["demo==1", "native; python_version >= '3.11'"]
optional-dependencies = { gpu = ["fast"] }

[dependency-groups]
dev = ["linter"]
docs = ["writer"]
"""

Install = Callable[..., Resolution]


@pytest.fixture
def folder(tmp_path: Path, index: PackageIndex) -> Path:
    """A project's folder; the index has all that the tests ask for."""
    index.add(make_wheel("demo", "1", requires=["dep"]), make_wheel("demo", "2"), make_wheel("dep", "1"))
    index.add(*(make_wheel("native", "1", tag=f"cp311-cp311-manylinux_2_28_{arch}") for arch in ("x86_64", "aarch64")))
    index.add(make_wheel("fast", "1"), make_wheel("linter", "1"), make_wheel("writer", "1"))
    (tmp_path / "app").mkdir()
    (tmp_path / "app/pyproject.toml").write_text(PROJECT)
    return tmp_path / "app"


@pytest.fixture
def install(folder: Path, uv: Uv, target: Target, tmp_path: Path) -> Install:
    """Resolve the lock of the folder. uv knows of no index here: everything is in the lock."""
    blind = Uv(tmp_path / "blind", {name: value for name, value in uv.environ.items() if name != "UV_DEFAULT_INDEX"})
    pin = Downloads(tmp_path / "files", Transport()).pin

    def run(args: str = "", target: Target = target, *, uv: Uv | None = None, file: str = "uv.lock") -> Resolution:
        request = Request((), target, requirements_file=folder / file, extra_args=args, image="demo")
        return resolve(request, uv=uv or blind, pin=pin, offline=uv is None)

    return run


def lock(folder: Path, uv: Uv, *arguments: str) -> None:
    """Write uv.lock as its user does."""
    command = [uv.program(), "lock", "--quiet", f"--cache-dir={uv.cache}", *arguments]
    subprocess.run(command, cwd=folder, env=dict(uv.environ), check=True, timeout=60)


def names(resolution: Resolution) -> list[str]:
    return [f"{wheel.name} {wheel.version}" for wheel in resolution.wheels]


def test_a_lock_is_installed_as_it_says(folder: Path, uv: Uv, index: PackageIndex, install: Install) -> None:
    """Its dependencies, not the project, no extra, no dev group; no index is asked and nothing is written."""
    lock(folder, uv)
    asked, before = len(index.asked), sorted(folder.iterdir())

    resolution = install()

    assert names(resolution) == ["demo 1", "dep 1", "native 1"]
    assert resolution.wheels[0].file.digest == index.files[0].digest
    assert (len(index.asked), sorted(folder.iterdir())) == (asked, before)
    assert resolution.notes == ()


def test_the_lock_is_for_every_target(folder: Path, uv: Uv, install: Install, target: Target) -> None:
    """Markers and tags are the target's."""
    lock(folder, uv)

    arm = install(target=replace(target, platform=Platform("linux", "arm64")))

    assert [wheel.filename for wheel in arm.wheels if wheel.name == "native"] == [
        "native-1-cp311-cp311-manylinux_2_28_aarch64.whl"
    ]
    assert names(install(target=replace(target, python="3.10"))) == ["demo 1", "dep 1"]
    with pytest.raises(LockError) as caught:
        install(target=replace(target, python="3.8"))
    assert caught.value.code == "IW203"


@pytest.mark.parametrize(
    ("args", "more"),
    [
        ("--extra gpu", ["fast 1"]),
        ("--all-extras", ["fast 1"]),
        ("--group docs", ["writer 1"]),
        ("--dev", ["linter 1"]),
        ("--all-groups --no-group docs", ["linter 1"]),
        ("--locked --no-install-project -q", []),
    ],
)
def test_more_of_it_is_asked_for(folder: Path, uv: Uv, install: Install, args: str, more: list[str]) -> None:
    """In the flags of ``uv sync``, which flytekit passes on."""
    lock(folder, uv)

    assert set(names(install(args))) == {"demo 1", "dep 1", "native 1", *more}


def test_a_group_alone(folder: Path, uv: Uv, install: Install) -> None:
    """Without the project's dependencies."""
    lock(folder, uv)

    assert names(install("--only-group docs")) == ["writer 1"]


@pytest.mark.parametrize("args", ["--extra nope", "--group nope", "--package nope"])
def test_what_the_lock_lacks_is_named(folder: Path, uv: Uv, install: Install, args: str) -> None:
    """The word that is wrong."""
    lock(folder, uv)

    with pytest.raises(SpecError, match=r"there is no 'nope' in uv\.lock"):
        install(args)


@pytest.mark.parametrize("online", [True, False])
def test_a_lock_that_is_out_of_date_is_refused(folder: Path, uv: Uv, install: Install, online: bool) -> None:
    """pyproject.toml says something else by now; the fix is a command. Offline it is found out as well."""
    lock(folder, uv)
    (folder / "pyproject.toml").write_text(PROJECT.replace("demo==1", "demo==2"))

    with pytest.raises(LockError, match=r"uv\.lock is not of what pyproject\.toml asks for now") as caught:
        install(uv=uv if online else None)

    assert (caught.value.code, caught.value.fix) == ("IW202", ("uv lock",))


@pytest.mark.parametrize("text", ["", "not a lock", "version = 1\n[[package]]\n"])
def test_what_is_no_lock(folder: Path, install: Install, text: str) -> None:
    """uv's own words, and the command that makes one."""
    (folder / "uv.lock").write_text(text)

    with pytest.raises(LockError, match=r"uv\.lock") as caught:
        install()

    assert (caught.value.code, caught.value.fix) == ("IW202", ("uv lock",))


def test_a_backend_is_not_run_to_compare(folder: Path, uv: Uv, install: Install) -> None:
    """Where only it could tell whether the lock is fresh, the lock is taken, and a note says so."""
    lock(folder, uv)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.9"\ndynamic = ["dependencies"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "evil"\nbackend-path = ["."]\n'
    )
    (folder / "evil.py").write_text("open('ran', 'w')\n")

    resolution = install()

    assert names(resolution) == ["demo 1", "dep 1", "native 1"]
    assert "not compared with pyproject.toml: pyproject.toml leaves its dependencies" in resolution.notes[0]
    assert not (folder / "ran").exists()


def test_a_project_for_other_pythons_than_this_one(folder: Path, uv: Uv, install: Install, target: Target) -> None:
    """The Python that runs imagewright need not be one of the project's."""
    lock(folder, uv)  # by hand, because uv would want a Python 3.9 for it
    for file, bounds in (("pyproject.toml", ">=3.9,<3.10"), ("uv.lock", ">=3.9, <3.10")):
        (folder / file).write_text((folder / file).read_text().replace('">=3.9"', f'"{bounds}"'))

    resolution = install(target=replace(target, python="3.9"))

    assert names(resolution) == ["demo 1", "dep 1"]
    assert "the Python that runs imagewright" in resolution.notes[0]


def test_a_workspace(folder: Path, uv: Uv, install: Install) -> None:
    """One member's dependencies; other members would have to be built, and can be left out."""
    (folder / "pyproject.toml").write_text(
        '[tool.uv.workspace]\nmembers = ["one", "two"]\n[tool.uv.sources]\ntwo = { workspace = true }\n'
    )
    for name, needs in (("one", '"two", "demo==1"'), ("two", '"fast"')):
        (folder / name).mkdir()
        (folder / name / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = [{needs}]\n'
        )
    lock(folder, uv)

    assert names(install("--package two")) == ["fast 1"]
    assert names(install("--no-emit-workspace")) == ["demo 1", "dep 1", "fast 1"]
    assert names(install("--no-install-package two")) == ["demo 1", "dep 1", "fast 1"]
    with pytest.raises(LockError, match=r"two is the folder .*/two") as caught:
        install()
    assert caught.value.code == "IW204"
    assert "--no-emit-workspace" in caught.value.fix[-1]


def test_a_wheel_of_a_source(folder: Path, uv: Uv, install: Install) -> None:
    """tool.uv.sources: a path from the lock's folder, its digest the lock's."""
    local = make_wheel("demo", "1+mine")
    (folder / "dist").mkdir()
    PackageIndex([local]).write(folder / "dist")
    source = f'[tool.uv.sources]\ndemo = {{ path = "dist/{local.filename}" }}\n'
    (folder / "pyproject.toml").write_text(PROJECT.replace("demo==1", "demo") + source)
    lock(folder, uv)

    wheel = install().wheels[0]

    assert (wheel.name, wheel.version, wheel.file.digest) == ("demo", "1+mine", local.digest)
    assert wheel.file.url == (folder / "dist" / local.filename).as_uri()


def test_a_script_with_a_lock(folder: Path, uv: Uv, index: PackageIndex, install: Install) -> None:
    """The lock beside it is what is installed, and it has to be fresh."""
    (folder / "job.py").write_text('# /// script\n# requires-python = ">=3.9"\n# dependencies = ["demo"]\n# ///\n')
    lock(folder, uv, "--script", "job.py")
    index.add(make_wheel("demo", "3"))

    assert names(install(file="job.py")) == ["demo 2"]
    (folder / "job.py").write_text("# /// script\n# dependencies = ['demo<2']\n# ///\n")
    with pytest.raises(LockError, match=r"job\.py\.lock is not of what job\.py asks for now") as caught:
        install(file="job.py")
    assert caught.value.fix == ("uv lock --script job.py",)
