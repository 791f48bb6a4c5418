"""poetry.lock as requirements, read without Poetry: the main group, for the target, from the files that it allows."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagewright.build.download import Downloads
from imagewright.errors import ImagewrightError, IntegrityError, LockError, SpecError
from imagewright.packages.pypi.poetry_lock import content_hash
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import resolve
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.target import Target
from imagewright.testing.index import PackageIndex
from imagewright.testing.wheels import MadeFile, make_sdist, make_wheel
from imagewright.transport import Transport

NEW_PROJECT = """\
[project]
name = "mine"
version = "1"
requires-python = ">=3.9,<4"
dependencies = ["demo (>=1,<2)", "native ; python_version >= '3.10'", "win ; sys_platform == 'win32'"]
optional-dependencies = { gpu = ["fast"] }

[dependency-groups]
dev = ["linter"]

[tool.poetry]
package-mode = false
"""
OLD_PROJECT = """\
[tool.poetry]
name = "mine"
version = "1"
description = ""
authors = []

[tool.poetry.dependencies]
python = "^3.9"
demo = { version = "^1.0", extras = ["more"] }
native = { version = "*", python = ">=3.10" }
win = { version = "*", markers = "sys_platform == 'win32'" }
fast = { version = "*", optional = true }

[tool.poetry.extras]
gpu = ["fast"]

[tool.poetry.group.dev.dependencies]
linter = "*"
"""
# What Poetry 2.5.1 computes with dependency groups, and without them, and what 1.8.5 computes of the old form.
NEW_HASH = "1e0d9a9cad0276d4c388e043e4bfab9dcc872a103578f4cc702169433e87fbe7"
NEW_HASH_BEFORE_2_3 = "de75d84b1d553b812b9ec24164654468d6f7b91fc71f76dd2c49872edae39cae"
OLD_HASH = "6f93ef8c6c47b77469673947a8b4478cfa89c61f31e81f5f9dab4bd97e1e0327"

FILES = {
    "addon": [make_wheel("addon", "1")],
    "demo": [make_wheel("demo", "1.0")],
    "dep": [make_wheel("dep", "1")],
    "fast": [make_wheel("fast", "1")],
    "late": [make_wheel("late", "1")],
    "linter": [make_wheel("linter", "1")],
    "native": [make_wheel("native", "1", tag=f"cp311-cp311-manylinux_2_28_{arch}") for arch in ("x86_64", "aarch64")],
    "win": [make_wheel("win", "1")],
}
DEMO = """
[package.dependencies]
addon = {version = "*", optional = true, markers = "extra == \\"more\\""}
dep = ">=1"
late = {version = ">=1", markers = "python_full_version < \\"3.11.3\\""}

[package.extras]
more = ["addon"]
"""

Install = Callable[..., list[str]]


def package(name: str, more: str = "", *, new: str = "", source: str = "", files: list[MadeFile] | None = None) -> str:
    """A package's table, as Poetry writes it; ``new`` are the keys of a lock of version 2.1."""
    found = FILES[name] if files is None else files
    rows = "".join(f'    {{file = "{file.filename}", hash = "{file.digest}"}},\n' for file in found)
    optional = "true" if name in ("fast", "addon") else "false"
    head = f'[[package]]\nname = "{name}"\nversion = "{found[0].version if found else "1"}"\ndescription = ""\n'
    return f'{head}optional = {optional}\npython-versions = "*"\n{new}files = [\n{rows}]\n{more}{source}\n'


def lock(packages: str, content_hash: str, *, version: str, python: str = "^3.9") -> str:
    """The whole file."""
    return (
        f'{packages}[extras]\ngpu = ["fast"]\n\n[metadata]\nlock-version = "{version}"\n'
        f'python-versions = "{python}"\ncontent-hash = "{content_hash}"\n'
    )


def main(marker: str = "") -> str:
    return 'groups = ["main"]\n' + (f"markers = '{marker}'\n" if marker else "")


NEW_LOCK = lock(
    package("demo", DEMO, new=main())
    + package("dep", new=main())
    + package("fast", new=main('extra == "gpu"'))
    + package("late", new=main('python_full_version < "3.11.3"'))
    + package("linter", new='groups = ["dev"]\n')
    + package("native", new=main('python_version >= "3.10"'))
    + package("win", new=main('sys_platform == "win32"')),
    NEW_HASH,
    version="2.1",
    python=">=3.9,<4",
)
OLD_LOCK = lock(
    package("addon")
    + package("demo", DEMO)
    + "".join(map(package, ("dep", "fast", "late", "linter", "native", "win"))),
    OLD_HASH,
    version="2.0",
)


@pytest.fixture
def install(index: PackageIndex, uv: Uv, target: Target, tmp_path: Path) -> Install:
    """The file names that a lock and its project lead to, or its whole URL for a file of this machine."""
    index.add(*(file for files in FILES.values() for file in files), make_wheel("demo", "1.5"))
    pin = Downloads(tmp_path / "files", Transport()).pin

    def run(project: str, lock: str, args: str = "", python: str = "3.11.2") -> list[str]:
        (tmp_path / "pyproject.toml").write_text(project)
        (tmp_path / "poetry.lock").write_text(lock)
        on = replace(target, python=python.rpartition(".")[0], python_full_version=python)
        request = Request((), on, requirements_file=tmp_path / "poetry.lock", extra_args=args, image="demo")
        return [wheel.filename.split("-py3")[0] for wheel in resolve(request, uv=uv, pin=pin).wheels]

    return run


NATIVE = "native-1-cp311-cp311-manylinux_2_28_x86_64.whl"


@pytest.mark.parametrize(
    ("project", "text", "addon"), [(NEW_PROJECT, NEW_LOCK, []), (OLD_PROJECT, OLD_LOCK, ["addon-1"])], ids=["2", "1.8"]
)
def test_the_main_group_for_the_target(install: Install, project: str, text: str, addon: list[str]) -> None:
    """Markers, extras of dependencies and Python versions as Poetry has them, whichever Poetry wrote the lock."""
    assert install(project, text) == [*addon, "demo-1.0", "dep-1", "late-1", NATIVE]
    assert install(project, text, python="3.11.9") == [*addon, "demo-1.0", "dep-1", NATIVE]
    assert install(project, text, python="3.9.2") == [*addon, "demo-1.0", "dep-1", "late-1"]


@pytest.mark.parametrize(("project", "text"), [(NEW_PROJECT, NEW_LOCK), (OLD_PROJECT, OLD_LOCK)], ids=["2", "1.8"])
@pytest.mark.parametrize(
    ("args", "more", "less"),
    [
        ("--extras gpu", {"fast-1"}, set()),
        ("-E gpu --with dev", {"fast-1", "linter-1"}, set()),
        ("--all-extras", {"fast-1"}, set()),
        ("--all-groups --without dev", set(), set()),
        ("--only dev", {"linter-1"}, {"addon-1", "demo-1.0", "dep-1", "late-1", NATIVE}),
    ],
)
def test_extras_and_groups(
    install: Install, project: str, text: str, args: str, more: set[str], less: set[str]
) -> None:
    """In the words of ``poetry install``, which flytekit passes on."""
    assert set(install(project, text, args)) == (set(install(project, text)) - less) | more


@pytest.mark.parametrize(
    ("change", "args", "code", "what"),
    [
        (("(>=1,<2)", "(>=1,<3)"), "", "IW202", "poetry.lock is not of what pyproject.toml asks for now"),
        (("", ""), "--with nope", "IW102", "no group 'nope'"),
        (("", ""), "-E nope", "IW102", "no extra 'nope'"),
        (("", ""), "--package nope", "IW102", "--package"),
    ],
)
def test_what_does_not_fit_the_project(
    install: Install, change: tuple[str, str], args: str, code: str, what: str
) -> None:
    """A lock that is out of date, and names that are not there."""
    with pytest.raises(ImagewrightError, match=what) as caught:
        install(NEW_PROJECT.replace(*change), NEW_LOCK, args)

    assert caught.value.code == code


def test_another_python_is_refused(install: Install) -> None:
    """The lock's own bounds, in Poetry's spelling."""
    with pytest.raises(LockError, match=r"poetry\.lock is for Python \^3\.9, and image 'demo' has Python 3\.8"):
        install(OLD_PROJECT, OLD_LOCK, python="3.8.10")


def test_only_the_files_of_the_lock_are_taken(install: Install, index: PackageIndex) -> None:
    """A better wheel that came later is passed over; where the index has none of the lock's, nothing is installed."""
    index.add(make_wheel("dep", "1", tag="cp311-cp311-manylinux_2_28_x86_64"))

    assert "dep-1" in install(NEW_PROJECT, NEW_LOCK)
    index.files.remove(FILES["dep"][0])
    with pytest.raises(IntegrityError, match=r"dep-1-cp311.* is none of the files that poetry\.lock allows"):
        install(NEW_PROJECT, NEW_LOCK)


def test_a_package_of_an_index_of_its_own(install: Install, uv: Uv, index: PackageIndex, tmp_path: Path) -> None:
    """A source of Poetry's is the only index that its packages come from."""
    private = PackageIndex([make_wheel("demo", "1.0", files={"private.py": ""})])
    with private.serve() as url:
        source = f'[package.source]\ntype = "legacy"\nurl = "{url.rstrip("/")}"\nreference = "acme"\n'
        text = lock(
            package("demo", new=main(), source=source, files=private.files) + package("dep", new=main()),
            NEW_HASH,
            version="2.1",
        )

        assert install(NEW_PROJECT, text) == ["demo-1.0", "dep-1"]

    assert {asked.path for asked in private.asked if asked.path.startswith("/simple")} == {"/simple/demo/"}
    assert "/simple/demo/" not in {asked.path for asked in index.asked}


def test_wheels_that_are_no_index_s(install: Install, index: PackageIndex, tmp_path: Path) -> None:
    """A URL, and a file beside the lock."""
    PackageIndex(FILES["dep"]).write(tmp_path)
    url = index.url.replace("simple/", "files/") + FILES["demo"][0].filename
    text = lock(
        package("demo", new=main(), source=f'[package.source]\ntype = "url"\nurl = "{url}"\n')
        + package("dep", new=main(), source=f'[package.source]\ntype = "file"\nurl = "{FILES["dep"][0].filename}"\n'),
        NEW_HASH,
        version="2.1",
    )

    assert install(NEW_PROJECT, text) == ["demo-1.0", "dep-1"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ('type = "git"\nurl = "https://example.com/a.git"', "a git repository"),
        ('type = "directory"\nurl = "../a"', r"the folder .*/a"),
        ('type = "url"\nurl = "https://example.com/a-1.tar.gz"', "an sdist"),
    ],
)
def test_what_would_have_to_be_built(install: Install, source: str, what: str) -> None:
    """It is named, with a way out."""
    text = lock(package("demo", new=main(), source=f"[package.source]\n{source}\n", files=[]), NEW_HASH, version="2.1")

    with pytest.raises(LockError, match=f"demo is {what}") as caught:
        install(NEW_PROJECT, text)

    assert caught.value.code == "IW204"


def test_a_package_without_wheel(install: Install, index: PackageIndex) -> None:
    """Source only, as anywhere else."""
    sdist = make_sdist("solo", "1")
    index.add(sdist)
    text = lock(package("solo", new=main(), files=[sdist]), NEW_HASH, version="2.1")

    with pytest.raises(LockError, match="solo 1 has no wheel") as caught:
        install(NEW_PROJECT, text)

    assert caught.value.code == "IW203"


@pytest.mark.parametrize("text", ["no lock", "[metadata]\npython-versions = 3\n"])
def test_what_is_no_lock(install: Install, text: str) -> None:
    """The command that makes one."""
    with pytest.raises(LockError, match=r"poetry\.lock") as caught:
        install(NEW_PROJECT, text)

    assert caught.value.fix == ("poetry lock",)


def test_an_empty_lock(install: Install) -> None:
    """Nothing is installed, and that is no error."""
    assert install(NEW_PROJECT, lock("", NEW_HASH, version="2.1").replace("[extras]", "[extras]")) == []


@pytest.mark.parametrize(
    ("project", "with_groups", "expected"),
    [
        (NEW_PROJECT, True, NEW_HASH),
        (NEW_PROJECT, False, NEW_HASH_BEFORE_2_3),
        (OLD_PROJECT, True, OLD_HASH),
        (OLD_PROJECT, False, OLD_HASH),
    ],
)
def test_the_hash_is_poetry_s(project: str, with_groups: bool, expected: str) -> None:
    """As Poetry 1.8.5 and 2.5.1 computed it."""
    assert content_hash(tomllib.loads(project), with_groups=with_groups) == expected


def test_a_selection_needs_names(install: Install) -> None:
    """A flag without its value is cut short."""
    with pytest.raises(SpecError, match="--with needs a value"):
        install(NEW_PROJECT, NEW_LOCK, "--with")
