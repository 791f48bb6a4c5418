"""What must run for another platform runs in QEMU, when the kernel knows it: in a namespace of the test's own."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run, cache, imagewright  # noqa: F401  (fixtures)

from imagewright.oci.platform import Platform
from imagewright.sandbox.emulation import cannot_run
from imagewright.testing.emulator import CANNOT
from imagewright.testing.engines import missing

QEMU = "qemu-aarch64-static"

pytestmark = [
    pytest.mark.tool,
    pytest.mark.network,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="emulates arm64 on x86-64"),
]

APP = """
from imagewright import ImageSpec, task, workflow

image = ImageSpec(
    "emulated",
    platform="linux/arm64",
    packages=["six==1.17.0"],
    commands=["python -c 'import platform, six; print(platform.machine(), six.__version__)' > /opt/said"],
)


@task(container_image=image)
def look() -> str:
    import os

    return f"{open('/opt/said').read().strip()} {os.uname().machine}"


@workflow
def main() -> str:
    return look()
"""


@pytest.mark.root
@pytest.mark.skipif(bool(missing(QEMU, root=True)), reason=missing(QEMU, root=True))
def test_a_command_and_a_task_run_for_arm64(cache: Path, tmp_path: Path) -> None:  # noqa: F811
    """An image for arm64 is made and run on this machine."""
    (tmp_path / "app.py").write_text(APP)
    program = str(Path(sys.executable).with_name("imagewright"))
    emulator = [sys.executable, "-m", "imagewright.testing.emulator", shutil.which(QEMU) or ""]

    ran = subprocess.run(
        [*emulator, program, "run", "--container", "app.py", "main"],
        env={**os.environ, "IMAGEWRIGHT_CACHE_DIR": str(cache), "NO_COLOR": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    if ran.returncode == CANNOT:
        pytest.skip("the kernel has no list of emulators for each namespace")
    assert (ran.returncode, ran.stdout) == (0, "aarch64 1.17.0 aarch64\n"), ran.stderr


@pytest.mark.skipif(not cannot_run(Platform("linux", "arm64")), reason="this machine has an emulator")
def test_without_an_emulator_nothing_is_begun(imagewright: Run, tmp_path: Path) -> None:  # noqa: F811
    """The error names what would have to run."""
    (tmp_path / "app.py").write_text(APP)

    built = imagewright("build", "--force", "app.py")

    assert built.returncode == 6
    assert "error[IW603]: image 'emulated' for linux/arm64 cannot be made on this machine: commands run" in built.stderr
