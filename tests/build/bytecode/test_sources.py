"""Which sources are compiled: of wheels what can be imported, of the interpreter what has no bytecode yet."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.packages.pypi.wheels import SITE, TARGET, Folder, Part

from imagewright.build.bytecode.sources import library_sources, wheel_sources
from imagewright.packages.pypi.members_archive import RefusedArchive
from imagewright.sandbox.stack import Stack


def test_of_wheels_what_can_be_imported(tmp_path: Path) -> None:
    """Not scripts and data, not folders of tests, not what comes with bytecode."""
    folder = Folder(tmp_path)
    wheel = folder.wheel(
        [
            Part("demo/__init__.py", b"a = 1\n"),
            Part("demo/tests/test_a.py", b"b = 1\n"),
            Part("demo/testing.py", b"c = 1\n"),
            Part("demo/there.py", b"d = 1\n"),
            Part("demo/__pycache__/there.cpython-311.pyc", b"bytecode"),
            Part("demo/data.txt", b"text"),
            Part("demo-1.0.data/platlib/extra.py", b"e = 1\n"),
            Part("demo-1.0.data/scripts/tool.py", b"#!python\n"),
            Part("demo-1.0.data/data/share/made.py", b"f = 1\n"),
        ]
    )

    found = dict(wheel_sources((wheel,), TARGET, folder, frozenset()))

    assert found == {
        f"/{SITE}/demo/__init__.py": b"a = 1\n",
        f"/{SITE}/demo/testing.py": b"c = 1\n",
        f"/{SITE}/extra.py": b"e = 1\n",
    }


def test_a_wheel_that_lies_is_refused(tmp_path: Path) -> None:
    """Bytecode is of the bytes that RECORD speaks of."""
    folder = Folder(tmp_path)
    wheel = folder.wheel([Part("demo/__init__.py", b"a = 1\n", crc32=1)])

    with pytest.raises(RefusedArchive):
        list(wheel_sources((wheel,), TARGET, folder, frozenset()))


def _layer(folder: Path, files: dict[str, str]) -> str:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return str(folder)


def test_of_the_library_what_has_no_bytecode(tmp_path: Path) -> None:
    """As the layers show it together: removed files are gone, replaced ones are the new ones, links are not followed."""
    library = "usr/lib/python3.11"
    lower = _layer(
        tmp_path / "lower",
        {
            f"{library}/os.py": "old",
            f"{library}/gone.py": "gone",
            f"{library}/known.py": "known",
            f"{library}/__pycache__/known.cpython-311.pyc": "bytecode",
            f"{library}/json/__init__.py": "json",
            f"{library}/test/regrtest.py": "test",
            f"{library}/site-packages/pip/__init__.py": "pip",
            f"{library}/notes.txt": "text",
        },
    )
    upper = _layer(tmp_path / "upper", {f"{library}/os.py": "new", f"{library}/json/tool.py": "tool"})
    os.symlink("os.py", f"{upper}/{library}/linked.py")
    if os.geteuid() == 0:
        os.mknod(f"{upper}/{library}/gone.py", 0o020644, os.makedev(0, 0))  # overlayfs: it is not there
    else:
        os.unlink(f"{lower}/{library}/gone.py")

    found = dict(library_sources(Stack((lower, upper)), TARGET))

    assert found == {
        f"/{library}/json/__init__.py": b"json",
        f"/{library}/json/tool.py": b"tool",
        f"/{library}/os.py": b"new",
    }


def test_of_conda_its_packages_as_well(tmp_path: Path) -> None:
    """Those for any platform come without bytecode; the others have it."""
    site = "opt/imagewright-conda/lib/python3.11/site-packages"
    conda = replace(TARGET, prefix="/opt/imagewright-conda", interpreter="/opt/imagewright-conda/bin/python3.11")
    below = _layer(tmp_path / "below", {"opt/imagewright-conda/lib/python3.11/os.py": "os"})
    packages = _layer(
        tmp_path / "packages",
        {
            f"{site}/any/__init__.py": "any",
            f"{site}/any/tests/test_any.py": "test",
            f"{site}/one/__init__.py": "one",
            f"{site}/one/__pycache__/__init__.cpython-311.pyc": "bytecode",
        },
    )

    found = dict(library_sources(Stack((below, packages)), conda))

    assert found == {"/opt/imagewright-conda/lib/python3.11/os.py": b"os", f"/{site}/any/__init__.py": b"any"}


def test_a_library_in_somebodys_home_is_left_alone(tmp_path: Path) -> None:
    """The layer would say that the folders on the way there are root's."""
    home = _layer(tmp_path / "one", {"home/user/py/lib/python3.11/os.py": "os"})
    elsewhere = replace(TARGET, interpreter="/home/user/py/bin/python3.11")

    assert list(library_sources(Stack((home,)), elsewhere)) == []
