"""A requirements file stands for every file that it takes in."""

from pathlib import Path
from typing import Any

import pytest

from imagewright.errors import SpecError
from imagewright.spec import ImageSpec
from imagewright.spec.requirements import kind_of, spelled_requirements


def make(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return root


def names(file: Path) -> list[object]:
    return [name for name, _ in spelled_requirements(file)]


def test_included_files_are_followed(tmp_path: Path) -> None:
    """-r and -c in all their spellings, relative to the file that has them; a cycle ends; URLs and comments are not files."""
    make(
        tmp_path,
        {
            "all.txt": "-r a/b.txt\n--requirement=c.txt  # why\n# -r no.txt\n-r https://example.com/x.txt\nnumpy\n",
            "a/b.txt": "-c ../d.txt\n-rnext.txt\n",
            "a/next.txt": "-r b.txt\n",
            "c.txt": "--constraint d.txt\n",
            "d.txt": "numpy<3 \\\n  --hash=sha256:00\n--find-links dist/a.tar.gz\n",
        },
    )

    assert names(tmp_path / "all.txt") == ["a/b.txt", "a/next.txt", "c.txt", "d.txt", "requirements.txt"]


def test_local_wheels_and_projects_are_content(tmp_path: Path) -> None:
    """What a line names by its path counts with its bytes, a folder with all its files that are not ignored."""
    make(
        tmp_path,
        {
            "r.txt": "./dist/a.whl\n-e ./project\nb @ file:dist/b.whl ; os_name == 'posix'\n",
            "dist/a.whl": "a",
            "dist/b.whl": "b",
            "project/pyproject.toml": "",
            "project/src/x.py": "",
            "project/.gitignore": "*.log\n",
        },
    )
    make(tmp_path / "project", {".git/HEAD": ""})
    before = spelled_requirements(tmp_path / "r.txt")

    make(tmp_path, {"project/debug.log": "1"})
    same = spelled_requirements(tmp_path / "r.txt")
    make(tmp_path, {"project/src/x.py": "1"})

    assert names(tmp_path / "r.txt") == ["dist/a.whl", "dist/b.whl", "project", "requirements.txt"]
    assert same == before
    assert spelled_requirements(tmp_path / "r.txt") != before


@pytest.mark.parametrize(
    "other", ["numpy\r\npandas\r\n", "\ufeffnumpy\npandas\n", "numpy\npandas", "numpy\npandas\n\n"]
)
def test_line_ends_do_not_matter(tmp_path: Path, other: str) -> None:
    """A checkout on another system, with other line ends or a byte order mark, is the same text."""
    make(tmp_path, {"a.txt": "numpy\npandas\n", "b.txt": other})

    assert spelled_requirements(tmp_path / "a.txt") == spelled_requirements(tmp_path / "b.txt")


def test_logins_do_not_matter(tmp_path: Path) -> None:
    """Who may read an index does not decide what is read."""
    make(tmp_path, {"a.txt": "-i https://example.com/simple\n", "b.txt": "-i https://me:secret@example.com/simple\n"})

    assert spelled_requirements(tmp_path / "a.txt") == spelled_requirements(tmp_path / "b.txt")


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"r.txt": "-r missing.txt\n"}, r"takes in missing\.txt, which is not there"),
        ({"r.txt": "./missing.whl\n"}, r"requirements='\./missing\.whl' is not in"),
        ({"r.txt": "\udcff"}, "is not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_an_error(tmp_path: Path, files: dict[str, str], what: str) -> None:
    """The error names the field and the file, and points at the spec."""
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    spec = ImageSpec(requirements="r.txt", directory=tmp_path)

    with pytest.raises(SpecError, match=what) as caught:
        _: Any = spec.digest

    assert caught.value.where is not None
    assert caught.value.where.file == __file__


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("uv.lock", "uv.lock"),
        ("poetry.lock", "poetry.lock"),
        ("pylock.toml", "pylock.toml"),
        ("pylock.dev.toml", "pylock.toml"),
        ("pylock.a.b.toml", "requirements.txt"),
        ("pyproject.toml", "pyproject.toml"),
        ("job.py", "script"),
        ("requirements.txt", "requirements.txt"),
        ("base.in", "requirements.txt"),
    ],
)
def test_the_name_tells_the_kind(name: str, kind: str) -> None:
    """Whatever folder it lies in."""
    assert kind_of(Path("some") / name) == kind


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock"])
def test_a_lock_counts_with_its_project(tmp_path: Path, lock: str) -> None:
    """A change of either is another image."""
    make(tmp_path, {lock: "a", "pyproject.toml": "b", "requirements.txt": "c"})

    assert names(tmp_path / lock) == [lock, "pyproject.toml"]


def test_what_a_project_takes_in_is_content(tmp_path: Path) -> None:
    """Wheels and folders of its sources, requirements by path, files of dynamic dependencies; what is absent is uv's."""
    make(
        tmp_path,
        {
            "pyproject.toml": """
[project]
name = "a"
dependencies = ["b @ file:dist/b.whl", "numpy"]
optional-dependencies = { x = ["c @ file:dist/c.whl"] }
dynamic = ["dependencies"]
[dependency-groups]
dev = ["./dist/d.whl", { include-group = "other" }]
other = []
[tool.uv.sources]
e = { path = "dist/e.whl" }
f = [{ path = "f", marker = "os_name == 'posix'" }, { git = "https://example.com/f" }]
gone = { path = "gone" }
[tool.setuptools.dynamic]
dependencies = { file = ["base.in"] }
""",
            "base.in": "-r more.in\n",
            "more.in": "six\n",
            **{f"dist/{name}.whl": name for name in "bcde"},
            "f/pyproject.toml": "",
        },
    )
    before = spelled_requirements(tmp_path / "pyproject.toml")

    make(tmp_path, {"dist/e.whl": "another"})

    found = ["base.in", *(f"dist/{name}.whl" for name in "bcde"), "f", "more.in", "pyproject.toml"]
    assert names(tmp_path / "pyproject.toml") == found
    changed = {
        str(name) for name, value in spelled_requirements(tmp_path / "pyproject.toml") if [name, value] not in before
    }
    assert changed == {"dist/e.whl"}


def test_of_a_script_only_its_block_counts(tmp_path: Path) -> None:
    """An edit of its code installs nothing anew; its block, its lock and what they name by a path do."""
    block = '# /// script\n# dependencies = ["six"]\n# tool.uv.sources.six.path = "six.whl"\n# ///\n'
    make(tmp_path, {"job.py": f"#!/usr/bin/env python3\n{block}import six\n", "six.whl": "1"})
    before = spelled_requirements(tmp_path / "job.py")

    make(tmp_path, {"job.py": f"{block}import six\nprint(six)\n"})
    same = spelled_requirements(tmp_path / "job.py")
    make(tmp_path, {"job.py": block.replace('"six"]', '"six<2"]')})
    other = spelled_requirements(tmp_path / "job.py")
    make(tmp_path, {"job.py.lock": "lock"})

    assert same == before != other
    assert [name for name, _ in before] == ["script", "six.whl"]
    assert names(tmp_path / "job.py") == ["script", "script.lock", "six.whl"]


def test_a_wheel_with_a_hash_is_found(tmp_path: Path) -> None:
    """What follows the path on its line is no part of it."""
    make(tmp_path, {"r.txt": "./a.whl --hash=sha256:00 # why\n./b.whl ; os_name == 'nt'\n", "a.whl": "", "b.whl": ""})

    assert names(tmp_path / "r.txt") == ["a.whl", "b.whl", "requirements.txt"]


@pytest.mark.parametrize("name", ["pylock.toml", "uv.lock", "poetry.lock"])
def test_packages_beside_a_lock_are_refused(tmp_path: Path, name: str) -> None:
    """Nothing has locked them."""
    make(tmp_path, {name: "", "pyproject.toml": ""})

    with pytest.raises(SpecError, match=f"cannot be added to {name}"):
        ImageSpec(requirements=name, packages=["six"], directory=tmp_path)


def test_a_project_that_is_no_toml(tmp_path: Path) -> None:
    """The field and the file are named."""
    make(tmp_path, {"pyproject.toml": "no toml"})
    spec = ImageSpec(requirements="pyproject.toml", directory=tmp_path)

    with pytest.raises(SpecError, match=r"'pyproject\.toml' is not TOML"):
        _: Any = spec.digest


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "uv.lock",
            '[[package]]\nname = "near"\nsource = { editable = "libs/near" }\n\n[[package]]\nsource = { virtual = "." }\n',
        ),
        ("poetry.lock", '[[package]]\nname = "near"\n\n[package.source]\ntype = "directory"\nurl = "libs/near"\n'),
        ("pylock.toml", '[[packages]]\nname = "near"\ndirectory = { path = "libs/near", editable = true }\n'),
        ("pylock.toml", '[[packages]]\nname = "near"\n\n[packages.directory]\npath = "libs/near"\n'),
    ],
)
def test_folders_that_a_lock_names_are_content(tmp_path: Path, name: str, text: str) -> None:
    """They are built, so an edit makes another image; imagewright's own lock files in them are not read."""
    make(tmp_path, {name: text, "pyproject.toml": "", "libs/near/setup.py": ""})
    before = spelled_requirements(tmp_path / name)

    make(tmp_path / "libs/near", {"imagewright.lock/x.toml": ""})
    same = spelled_requirements(tmp_path / name)
    make(tmp_path / "libs/near", {"setup.py": "1"})

    assert "libs/near" in names(tmp_path / name)
    assert before == same != spelled_requirements(tmp_path / name)
