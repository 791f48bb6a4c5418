"""What is missing for conda packages is named, with the extra that brings it."""

import subprocess
import sys

HIDDEN = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in ("rattler", "backports.zstd", "compression.zstd"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hidden())
from imagewright.errors import LockError
from imagewright.packages.conda.optional import check_installed
try:
    check_installed()
except LockError as error:
    print(error.code, error)
"""


def test_an_absent_package_is_named_with_its_extra() -> None:
    """Before anything is asked or downloaded."""
    said = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, check=True, timeout=60).stdout

    assert said.startswith("IW211 conda_packages need py-rattler and backports.zstd, which are not installed here")
    assert 'pip install "imagewright[conda]"' in said


def test_a_build_without_conda_packages_loads_nothing_of_conda() -> None:
    """Neither the solver nor what reads packages."""
    script = """
import sys
import imagewright.build.image, imagewright.build.plan, imagewright.build.resolve_anew, imagewright.builders.native
print([name for name in sys.modules if "rattler" in name or "zstd" in name or "packages.conda" in name])
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout

    assert said.strip() == "['imagewright.packages.conda', 'imagewright.packages.conda.locked']"
