"""Locks on real packages: what they keep, what they refuse, and how they travel with an image."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run

from imagewright.testing.registry import docker_registry, docker_registry_program

pytestmark = pytest.mark.network

FILE = Path("imagewright.lock/demo-linux-amd64.pylock.toml")


def write(folder: Path, fields: str) -> None:
    (folder / "app.py").write_text(f'from imagewright import ImageSpec\n\nimage = ImageSpec("demo", {fields})\n')


def versions(folder: Path) -> dict[str, str]:
    document = tomllib.loads((folder / FILE).read_text())
    return {package["name"]: package["version"] for package in document["packages"]}


def test_a_lock_keeps_what_still_fits_and_upgrade_says_from_what_to_what(imagewright: Run, tmp_path: Path) -> None:
    """One package more is one line more; --upgrade takes the newest and names both versions."""
    write(tmp_path, 'packages=["six==1.16.0"]')
    assert imagewright("lock", "app.py").returncode == 0
    write(tmp_path, 'packages=["six", "iniconfig==2.0.0"]')

    added = imagewright("lock", "app.py")

    assert versions(tmp_path) == {"six": "1.16.0", "iniconfig": "2.0.0"}, added.stderr
    assert "  packages   + iniconfig 2.0.0\n" in added.stderr
    assert "six" not in added.stderr
    upgraded = imagewright("lock", "--upgrade", "app.py")
    newest = versions(tmp_path)["six"]
    assert newest != "1.16.0"
    assert f"six 1.16.0 -> {newest}" in upgraded.stderr
    assert imagewright("lock", "--locked", "app.py").returncode == 0


def test_a_lock_of_a_base_that_is_a_spec_keeps_both(imagewright: Run, tmp_path: Path) -> None:
    """The packages below stay as they were locked, too."""
    app = (
        "from imagewright import ImageSpec\n\n"
        'image = ImageSpec("demo", packages=["iniconfig"], base_image=ImageSpec("below", packages=[{below}]))\n'
    )
    (tmp_path / "app.py").write_text(app.format(below='"six==1.16.0"'))
    assert imagewright("lock", "app.py").returncode == 0
    (tmp_path / "app.py").write_text(app.format(below='"six"'))

    done = imagewright("lock", "app.py")

    below = tomllib.loads((tmp_path / FILE).read_text())["tool"]["imagewright"]["base"]["spec"]
    assert [(wheel["name"], wheel["version"]) for wheel in below["wheels"]] == [("six", "1.16.0")], done.stderr
    assert imagewright("build", "--locked", "app.py").returncode == 0


@pytest.mark.tool
@pytest.mark.skipif(docker_registry_program() is None, reason="docker-registry is not installed")
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_a_lock_travels_with_its_image(imagewright: Run, tmp_path: Path) -> None:
    """To a registry, by skopeo to another repository, and back: it is the lock file that the image was built from."""
    write(tmp_path, 'packages=["six==1.16.0"], env={"A": "1"}')
    (tmp_path / "data").mkdir()
    imagewright("lock", "app.py")
    with docker_registry(tmp_path) as place:
        built = imagewright("build", "app.py", "--registry", place)
        assert built.returncode == 0, built.stderr
        source, copied = built.stdout.strip(), f"{place}/elsewhere/demo:v1"
        plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        copy = ["skopeo", "copy", *plain, f"docker://{source}", f"docker://{copied}"]
        subprocess.run(copy, check=True, timeout=60, capture_output=True)

        given = imagewright("image", "lock", copied)
        same = imagewright("explain", copied, "app.py")
        write(tmp_path, 'packages=["six==1.16.0"], env={"A": "2"}')
        other = imagewright("explain", copied, "app.py", "--output", "json")

        write(tmp_path, 'packages=["six==1.16.0"], env={"A": "1"}')
        file = (tmp_path / FILE).read_text()
        shutil.rmtree(tmp_path / FILE.parent)
        adopted = imagewright("image", "lock", copied, str(FILE))
        again = imagewright("build", "app.py", "--registry", place, "--locked")

    assert adopted.returncode == 0, adopted.stderr
    assert again.stdout.strip() == source, again.stderr
    assert (tmp_path / FILE).read_text() == file
    assert given.stdout.rstrip() == (tmp_path / FILE).read_text().rstrip(), given.stderr
    assert "  made of the same\n" in same.stdout, same.stderr
    assert json.loads(other.stdout)["changes"] == [{"kind": "env", "name": "A", "before": "1", "after": "2"}]
