"""Wheels are built by the Python of the base image, whatever base that is."""

from pathlib import Path

import pytest
from tests.end_to_end.bases import Bases, file
from tests.end_to_end.conda_python import MINOR, available
from tests.end_to_end.conftest import Run
from tests.end_to_end.test_base_images import KINDS, bases
from tests.end_to_end.test_conda import channel
from tests.end_to_end.test_from_source import SETUP, TOOL, C, write

__all__ = ["bases", "channel"]
pytestmark = pytest.mark.network

APP = """
from imagewright import ImageSpec, task, workflow

image = ImageSpec("on-a-base", {spec})


@task(container_image=image)
def look() -> str:
    import {module}

    return str({module}.{call})


@workflow
def main() -> str:
    return look()
"""


@pytest.mark.parametrize("kind", ["usr-local", "environment"])
def test_a_pure_package(imagewright: Run, bases: Bases, tmp_path: Path, kind: str) -> None:
    """No compiler is installed for it, so it needs no Debian either."""
    KINDS[kind][0](bases)
    write(tmp_path, {"tool/tool.py": f"KIND = {kind!r}\n", "tool/pyproject.toml": TOOL})
    spec = f'base_image="oci:{bases.layout.root}:{kind}", packages=["./tool"]'
    (tmp_path / "app.py").write_text(APP.format(spec=spec, module="tool", call="KIND"))

    ran = imagewright("run", "--container", "app.py", "main")

    assert (ran.returncode, ran.stdout) == (0, f"{kind}\n"), ran.stderr


@pytest.fixture
def debian(bases: Bases) -> str:
    """A base whose own apt knows the archives that this machine's does."""
    apt, keys = Path("/etc/apt"), Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    lists = [path for path in (apt / "sources.list", *(apt / "sources.list.d").glob("*")) if path.is_file()]
    if not lists or not keys.is_file():
        pytest.skip("this machine has no Debian sources")
    changes = [file(str(path).lstrip("/"), path.read_bytes()) for path in lists]
    bases.make("debian-apt", [*changes, file("etc/apt/trusted.gpg.d/debian.gpg", keys.read_bytes())])
    return f'"oci:{bases.layout.root}:debian-apt"'


def test_a_c_extension(imagewright: Run, debian: str, tmp_path: Path) -> None:
    """The base's own archives have the compiler, which is there for the build alone."""
    write(tmp_path, {"answer/answer.c": C, "answer/setup.py": SETUP})
    base = f'ImageSpec("below", base_image={debian}, packages=["six==1.17.0"])'
    spec = f'base_image={base}, packages=["./answer"]'
    (tmp_path / "app.py").write_text(APP.format(spec=spec, module="answer", call="answer()"))

    ran = imagewright("run", "--container", "app.py", "main")

    assert (ran.returncode, ran.stdout) == (0, "42\n"), ran.stderr
    assert "gcc" not in ran.stderr


@pytest.mark.root
@pytest.mark.skipif(not available(), reason=f"this machine has no /usr/bin/python{MINOR} with its library")
def test_on_condas_python(imagewright: Run, channel: Path, tmp_path: Path) -> None:
    """The Python that conda_packages bring is the one that builds, and the wheel goes into its environment."""
    write(tmp_path, {"tool/tool.py": "", "tool/pyproject.toml": TOOL})
    (tmp_path / "channel").symlink_to(channel)
    spec = f'python_version="{MINOR}", conda_packages=["numpy"], conda_channels=["./channel", "nodefaults"], packages=["./tool"]'
    (tmp_path / "app.py").write_text(APP.format(spec=spec, module="tool", call="__file__"))

    ran = imagewright("run", "--container", "app.py", "main")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"/opt/imagewright-conda/lib/python{MINOR}/site-packages/tool.py\n"
