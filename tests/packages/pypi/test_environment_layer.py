"""The environment's layer makes the image's interpreter see the wheels and its own packages."""

import io
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

from tests.layer.reading import contents, listed
from tests.packages.pypi.wheels import SITE, TARGET, Folder

from imagewright.packages.pypi.environment_layer import EnvironmentLayer


def _written(layer: EnvironmentLayer, folder: Path) -> bytes:
    out = io.BytesIO()
    layer.write(Folder(folder), out)
    return out.getvalue()


def test_tree(tmp_path: Path) -> None:
    """A pyvenv.cfg, three names of the interpreter, and an empty site-packages."""
    stored = _written(EnvironmentLayer(TARGET), tmp_path)

    assert {entry.name: entry.linkname for entry in listed(stored) if entry.issym()} == {
        "opt/imagewright/bin/python": "/usr/bin/python3.11",
        "opt/imagewright/bin/python3": "python",
        "opt/imagewright/bin/python3.11": "python",
    }
    assert contents(stored) == {
        "opt/imagewright/pyvenv.cfg": b"home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11\n"
    }
    assert SITE in [entry.name for entry in listed(stored) if entry.isdir()]


def test_key(tmp_path: Path) -> None:
    """Every part of the target that is in the bytes is in the key, and no other."""
    layer = EnvironmentLayer(TARGET)

    assert layer.key == EnvironmentLayer(replace(TARGET, libc=("musl", "1.2"))).key
    for change in ({"python": "3.12"}, {"interpreter": "/opt/python"}, {"prefix": "/opt/x"}):
        other = EnvironmentLayer(replace(TARGET, **change))  # type: ignore[arg-type]
        assert other.key != layer.key
        assert _written(other, tmp_path) != _written(layer, tmp_path)
    assert (layer.inputs, layer.title) == ((), "environment for python 3.11")


def test_an_interpreter_takes_it_for_an_environment(tmp_path: Path) -> None:
    """The layer, unpacked, is a virtual environment of this very Python."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    prefix = str(tmp_path / "env")
    target = replace(
        TARGET, python=python, interpreter=str(Path(sys.base_prefix, "bin", f"python{python}")), prefix=prefix
    )
    with tarfile.open(fileobj=io.BytesIO(_written(EnvironmentLayer(target), tmp_path))) as tar:
        tar.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # Debian 12's Python has none
        tar.extractall(tmp_path / "root")
    (tmp_path / "env").symlink_to(tmp_path / "root" / prefix.lstrip("/"))
    Path(target.site_packages, "mine.py").write_text("x = 1\n")

    said = subprocess.run(
        [
            f"{prefix}/bin/python",
            "-c",
            "import sys, mine; print(sys.prefix, mine.__file__, sys.prefix != sys.base_prefix)",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert said.stderr == ""
    assert said.stdout.split() == [prefix, f"{target.site_packages}/mine.py", "True"]
