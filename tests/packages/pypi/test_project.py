"""pyproject.toml, and scripts with metadata, as requirements."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.build.download import Downloads
from imagewright.errors import LockError, SpecError
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import resolve
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
dependencies = ["demo<2", "other; python_version < '3'"]
optional-dependencies = { gpu = ["fast"] }

[dependency-groups]
dev = ["linter"]

[build-system]
requires = ["a-backend-that-nobody-has"]
build-backend = "gone"
"""
SCRIPT = """\
#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = [
#   "demo<2",
# ]
# ///
import demo
"""

Names = Callable[..., list[str]]


@pytest.fixture
def names(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path) -> Names:
    """What is installed for a file of this name and text."""
    pin = Downloads(tmp_path / "files", Transport()).pin
    index.add(*(make_wheel("demo", version, requires=["dep"]) for version in ("1", "2")), make_wheel("dep", "1"))
    index.add(make_wheel("fast", "1"), make_wheel("linter", "1"), make_wheel("extra", "1"))

    def of(name: str, text: str, *packages: str, args: str = "", python: str = "3.11") -> list[str]:
        (tmp_path / "app").mkdir(exist_ok=True)
        (tmp_path / "app" / name).write_text(text)
        request = Request(
            packages,
            replace(target, python=python),
            requirements_file=tmp_path / "app" / name,
            directory=tmp_path,
            extra_args=args,
            image="demo",
        )
        return [f"{wheel.name} {wheel.version}" for wheel in resolve(request, uv=uv, pin=pin).wheels]

    return of


def test_a_project_gives_its_dependencies(names: Names) -> None:
    """Not the TOML's lines, as in flytekit, nor the project itself, an extra or a group; its backend is not asked."""
    assert names("pyproject.toml", PROJECT) == ["demo 1", "dep 1"]


def test_extras_and_groups_are_asked_for(names: Names) -> None:
    """In uv's words; packages come on top."""
    args = "--extra gpu --group dev"
    assert names("pyproject.toml", PROJECT, "extra", args=args) == ["demo 1", "dep 1", "extra 1", "fast 1", "linter 1"]
    assert names("pyproject.toml", PROJECT, args="--all-extras") == ["demo 1", "dep 1", "fast 1"]


@pytest.mark.parametrize(
    ("args", "what"),
    [("--extra nope", "has no extra 'nope'"), ("--group=nope", "has no dependency group 'nope'")],
)
def test_what_the_project_lacks_is_named(names: Names, args: str, what: str) -> None:
    """And what it has."""
    with pytest.raises(SpecError, match=what) as caught:
        names("pyproject.toml", PROJECT, args=args)

    assert caught.value.why in (("it has gpu",), ("it has dev",))


def test_a_selection_without_a_project_is_refused(names: Names) -> None:
    """It would select nothing."""
    with pytest.raises(SpecError, match="--extra"):
        names("requirements.txt", "demo\n", args="--extra gpu")


@pytest.mark.parametrize(("name", "text"), [("pyproject.toml", PROJECT), ("job.py", SCRIPT)])
@pytest.mark.parametrize("bound", [">=3.12", ">=3.9,<3.11"])
def test_another_python_is_refused(names: Names, name: str, text: str, bound: str) -> None:
    """Upper bounds count as well, which uv passes over; the fix names both sides."""
    with pytest.raises(LockError, match=f"{name} needs Python {bound}, and image 'demo' has Python 3.11") as caught:
        names(name, text.replace(">=3.9", bound))

    assert caught.value.code == "IW202"


def test_a_script_gives_the_dependencies_of_its_block(names: Names) -> None:
    """PEP 723."""
    assert names("job.py", SCRIPT) == ["demo 1", "dep 1"]
    assert names("job.py", SCRIPT, "extra") == ["demo 1", "dep 1", "extra 1"]


@pytest.mark.parametrize("text", ["import demo\n", "# /// script\n# dependencies = []\n"])
def test_a_script_without_a_block_is_refused(names: Names, text: str) -> None:
    """It says nothing of what it needs."""
    with pytest.raises(SpecError, match="script without a block of metadata"):
        names("job.py", text)


def test_dependencies_that_setuptools_reads_from_a_file(names: Names, tmp_path: Path) -> None:
    """The file is read; nothing has to be run for it."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/base.in").write_text("demo<2\n")
    dynamic = '[project]\nname = "a"\nversion = "1"\ndynamic = ["dependencies"]\n'

    with_file = dynamic + '[tool.setuptools.dynamic]\ndependencies = { file = ["base.in"] }\n'

    assert names("pyproject.toml", with_file) == ["demo 1", "dep 1"]
    with pytest.raises(LockError, match="leaves its dependencies to its build backend") as caught:
        names("pyproject.toml", dynamic)
    assert caught.value.code == "IW204"


@pytest.mark.parametrize(
    ("text", "fix"),
    [("[tool.ruff]\n", "project.dependencies"), ("[tool.poetry.dependencies]\ndemo = '^1'\n", "poetry lock")],
)
def test_a_project_that_says_nothing(names: Names, text: str, fix: str) -> None:
    """Without a [project] table there is nothing to install, and the error says what to write."""
    with pytest.raises(SpecError, match=r"no \[project\] table") as caught:
        names("pyproject.toml", text)

    assert fix in caught.value.fix[0]


def test_a_dependency_that_is_missing_is_pointed_at(names: Names) -> None:
    """The line of pyproject.toml."""
    with pytest.raises(LockError) as caught:
        names("pyproject.toml", PROJECT.replace("demo<2", "De.mo_x>1"))

    where = caught.value.where
    assert where is not None
    assert (Path(where.file).name, where.line, where.part) == ("pyproject.toml", 5, "De.mo_x")


def test_sources_of_uv_count(names: Names, tmp_path: Path) -> None:
    """A wheel that tool.uv.sources names by its path, from the project's folder."""
    local = make_wheel("demo", "1+mine")
    (tmp_path / "app").mkdir()
    PackageIndex([local]).write(tmp_path / "app")
    sources = f'\n[tool.uv.sources]\ndemo = {{ path = "{local.filename}" }}\n'

    assert names("pyproject.toml", PROJECT + sources) == ["demo 1+mine"]
