"""What is read of an archive of sources before it is built."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from imagewright.build.from_source.contents import LEGACY, Contents, read_contents
from imagewright.errors import LockError

PROJECT = '[project]\nname = "A_b"\n[build-system]\nrequires = ["hatchling>=1"]\nbuild-backend = "hatchling.build"\n'


def tar_of(path: Path, **files: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def zip_of(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("make", [tar_of, zip_of])
@pytest.mark.parametrize(
    ("files", "contents"),
    [
        (
            {"a-1/pyproject.toml": PROJECT, "a-1/a.py": ""},
            Contents("a-1", "hatchling.build", (), ("hatchling>=1",), False, "A_b"),
        ),
        ({"a-1/setup.py": "", "a-1/x/a.pyx": ""}, Contents("a-1", LEGACY, (), ("setuptools>=40.8.0", "wheel"), True)),
        ({"setup.py": "", "a/a.py": ""}, Contents("", LEGACY, (), ("setuptools>=40.8.0", "wheel"), False)),
        (
            {
                "a/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "mine"\nbackend-path = ["."]\n',
                "a/x.C": "",
            },
            Contents("a", "mine", (".",), (), True),
        ),
        (
            {
                "a/pyproject.toml": '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n',
                "a/x.c": "",
            },
            Contents("a", "flit_core.buildapi", (), ("flit_core",), False),
        ),
    ],
)
def test_backend_requirements_and_languages(
    tmp_path: Path, make: object, files: dict[str, str], contents: Contents
) -> None:
    """As PEP 517 has it; a compiler is needed where a compiled language is, and the backend is one that compiles."""
    archive = make(tmp_path / "archive", **files)  # type: ignore[operator]

    assert read_contents(archive, "", "a 1") == contents


def test_a_project_in_a_subdirectory(tmp_path: Path) -> None:
    """Its own files count, and no others."""
    archive = tar_of(tmp_path / "x", **{"r/setup.py": "", "r/c.c": "", "r/sub/one/setup.py": "", "r/sub/one/a.py": ""})

    assert read_contents(archive, "sub/one", "a").folder == "r/sub/one"
    assert not read_contents(archive, "sub/one", "a").compiled
    assert read_contents(archive, "", "a").compiled


@pytest.mark.parametrize("text", ["README", "pyproject.toml"])
def test_what_is_no_project(tmp_path: Path, text: str) -> None:
    """Nothing that could be built, TOML that is none, and what is no archive at all."""
    archive = tar_of(tmp_path / "x", **{f"a/{text}": "= =", "a/b": ""})
    broken = tmp_path / "broken"
    broken.write_bytes(b"not an archive")

    for path in (archive, broken):
        with pytest.raises(LockError, match="a 1 is not a Python project") as caught:
            read_contents(path, "", "a 1")
        assert caught.value.code == "IW208"
