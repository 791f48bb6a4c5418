"""The corners of installing: what a wheel ships that an installer makes itself, and scripts of every size."""

import hashlib
from pathlib import Path

import pytest
from tests.packages.pypi.wheels import SITE, TARGET, Folder, Part

from imagewright.packages.pypi.install import InstalledFile, installed_files
from imagewright.packages.pypi.wheel import open_wheel

INFO = f"/{SITE}/demo-1.0.dist-info"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def _installed(folder: Folder, *parts: Part, entry_points: str = "") -> dict[str, InstalledFile]:
    locked = folder.wheel(parts, entry_points=entry_points)
    with open_wheel(folder.path(locked.file), locked.filename) as wheel:
        return {file.path: file for file in installed_files(wheel, TARGET)}


def test_a_shipped_installer_is_replaced(folder: Folder) -> None:
    """INSTALLER says who installed, not who built."""
    files = _installed(folder, Part("demo-1.0.dist-info/INSTALLER", b"somebody\n"))

    assert files[f"{INFO}/INSTALLER"].content == b"imagewright\n"


def test_a_command_replaces_a_script_of_its_name(folder: Folder) -> None:
    """Old tools put the launchers that they made into the wheel; theirs would call another interpreter."""
    script = Part("demo-1.0.data/scripts/run", b"#!/usr/bin/python2\nold\n")

    files = _installed(folder, script, entry_points="[console_scripts]\nrun = demo:main\n")

    content = files["/opt/imagewright/bin/run"].content
    assert isinstance(content, bytes)
    assert content.startswith(b"#!/opt/imagewright/bin/python\nimport sys\n")


@pytest.mark.parametrize("method", [0, 8])
@pytest.mark.parametrize("size", [10, 3 << 20])
def test_scripts_of_every_size(method: int, size: int, folder: Folder) -> None:
    """A script with the placeholder is rewritten and recorded anew; a large program is spliced as it is."""
    body = b"x" * size
    files = _installed(
        folder,
        Part("demo-1.0.data/scripts/script", b"#!python\n" + body, method=method),
        Part("demo-1.0.data/scripts/program", b"\x7fELF" + body, method=method),
    )

    script, program = (files[f"/opt/imagewright/bin/{name}"] for name in ("script", "program"))
    rewritten = b"#!/opt/imagewright/bin/python\n" + body
    assert (script.content, script.mode) == (rewritten, 0o755)
    assert script.recorded == ("sha256", hashlib.sha256(rewritten).digest())
    assert program.size == size + 4
    assert program.recorded == ("sha256", hashlib.sha256(b"\x7fELF" + body).digest())
    assert program.mode == 0o755


def test_record(folder: Folder) -> None:
    """Paths are relative to site-packages, also of what lies outside; RECORD itself has no digest."""
    files = _installed(folder, Part("demo.py", b""), Part("demo-1.0.data/scripts/run", b"#!python\n"))

    content = files[f"{INFO}/RECORD"].content
    assert isinstance(content, bytes)
    rows = content.decode().splitlines()
    assert rows == sorted(rows)
    assert [row.split(",")[0] for row in rows] == [
        "../../../bin/run",
        "demo-1.0.dist-info/INSTALLER",
        "demo-1.0.dist-info/METADATA",
        "demo-1.0.dist-info/RECORD",
        "demo-1.0.dist-info/WHEEL",
        "demo.py",
    ]
    assert "demo-1.0.dist-info/RECORD,," in rows
    assert "demo.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0" in rows
