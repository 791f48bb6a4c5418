"""A requirements file stands for every file that it takes in."""

from pathlib import Path
from typing import Any

import pytest

from imagewright.errors import SpecError
from imagewright.spec import ImageSpec
from imagewright.spec.requirements import spelled_requirements


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
