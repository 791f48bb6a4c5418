"""``compile_bytecode``: what a container's Python takes in place of compiling, made once by whoever is the first."""

import json
import re
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run, command

from imagewright.testing.engines import missing
from imagewright.testing.registry import docker_registry

pytestmark = pytest.mark.network

APP = """\
import json
from imagewright import ImageSpec, task, workflow

image = ImageSpec("demo", packages=["idna", "packaging"], compile_bytecode={on}{more})


@task(container_image=image)
def look() -> str:
    import os, subprocess, sys
    script = "import json, idna.core, packaging.version"
    environ = {{**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}}
    # Without what a run adds for itself: the image alone, as a cluster starts it.
    said = subprocess.run([sys.executable, "-I", "-v", "-c", script], env=environ, capture_output=True, text=True).stderr
    flags = {{}}
    for name in ("idna", "json"):
        cached = __import__(name).__cached__
        flags[name] = open(cached, "rb").read(8)[4] if os.path.exists(cached) else None
    return json.dumps([said, flags])


@workflow
def main() -> str:
    return look()
"""


def _looked(
    run: Run, tmp_path: Path, *, on: bool = True, more: str = "", arguments: tuple[str, ...] = ()
) -> list[object]:
    (tmp_path / "app.py").write_text(APP.format(on=on, more=more))
    ran = run("run", "--container", *arguments, "app.py", "main")
    assert ran.returncode == 0, ran.stderr
    answer: list[object] = json.loads(ran.stdout)
    return answer


def _built(run: Run, tmp_path: Path, *arguments: str, more: str = "", **environ: str) -> str:
    (tmp_path / "app.py").write_text(APP.format(on=True, more=more))
    built = run("build", "app.py", "--progress", "plain", *arguments, **environ)
    assert built.returncode == 0, built.stderr
    return built.stderr


@pytest.mark.root
def test_python_takes_the_bytecode_of_packages_and_of_its_own_library(
    imagewright: Run, cache: Path, tmp_path: Path
) -> None:
    """``python -v`` says that each module comes from a file of bytecode, which it does not hold against the source."""
    before = set(cache.glob("rootfs/bytecode-*"))  # of other tests' images
    said, flags = _looked(imagewright, tmp_path)

    assert isinstance(said, str)
    for module in ("idna/__pycache__/core", "packaging/__pycache__/version", "json/__pycache__/decoder"):
        assert re.search(rf"^# code object from '/.*{module}\.cpython-311\.pyc'$", said, re.MULTILINE), said
    # Debian's sitecustomize is a link to a file of settings, which somebody may change.
    compiled = re.findall(r"code object from (/.*\.py)$", said, re.MULTILINE)
    assert [path for path in compiled if "sitecustomize" not in path] == []
    assert flags == {"idna": 1, "json": 1}
    # Nor is it made once more for tasks that run here, beside that of what starts a task.
    own = [path for folder in set(cache.glob("rootfs/bytecode-*")) - before for path in folder.glob("**/*.pyc")]
    assert own
    made = [path for path in own if "imagewright-runtime" not in str(path)]
    assert not [path for path in made if "/json/" in str(path) or "/subprocess." in str(path)]


@pytest.mark.root
def test_commands_may_change_a_source(imagewright: Run, tmp_path: Path) -> None:
    """With commands, Python compares source and bytecode: what was changed is compiled anew, all else is taken."""
    more = """, commands=["echo 'CHANGED = 1' >> $(python -c 'import idna.core as m; print(m.__file__)')"]"""

    said, flags = _looked(imagewright, tmp_path, more=more)

    assert isinstance(said, str)
    assert re.search(r"code object from /.*/idna/core\.py$", said, re.MULTILINE), said
    assert re.search(r"code object from '/.*/idna/__pycache__/idnadata\.cpython-311\.pyc'$", said, re.MULTILINE)
    assert flags == {"idna": 3, "json": 3}


def test_a_second_build_compiles_nothing(imagewright: Run, tmp_path: Path) -> None:
    """Nor does another image with the same packages; one more package compiles what shares its layer."""
    _built(imagewright, tmp_path, "--force")

    again = _built(imagewright, tmp_path, "--force")
    other = _built(imagewright, tmp_path, more=', env={"OTHER": "1"}')

    for said in (again, other):
        assert re.search(r"(\d+) of \1 layers reused", said), said


def test_the_same_image_with_any_number_of_workers(cache: Path, tmp_path: Path) -> None:
    """Made anew in two caches that know nothing but downloads: equal digests."""
    digests = set()
    for jobs in ("1", "3"):
        folder = tmp_path / jobs
        folder.mkdir()
        for part in ("files", "index", "uv"):
            (folder / part).symlink_to((cache / part).resolve())
        run = command(folder, tmp_path)
        (tmp_path / "app.py").write_text(APP.format(on=True, more=""))
        built = run("build", "app.py", "--jobs", jobs)
        assert built.returncode == 0, built.stderr
        digests.add(built.stdout)

    assert len(digests) == 1, digests


@pytest.mark.tool
def test_another_machine_takes_it_from_the_registry(imagewright: Run, tmp_path: Path) -> None:
    """Layers of bytecode are shared like any other: nothing is downloaded, compiled or even able to be."""
    if reason := missing("docker-registry"):
        pytest.skip(reason)
    with docker_registry(tmp_path) as place:
        _built(imagewright, tmp_path, "--registry", f"{place}/team", "--upgrade")
        other = command(tmp_path / "empty", tmp_path)
        said = _built(other, tmp_path, "--registry", f"{place}/team", more=', env={"OTHER": "1"}', PATH="/nowhere")

    assert re.search(r"(\d+) of \1 layers reused", said), said
    assert not (tmp_path / "empty/rootfs").exists()
    assert not list((tmp_path / "empty/files").glob("sha256/*"))


def test_what_a_build_would_do(tmp_path: Path) -> None:
    """A dry run names the layers; what bytecode is made of is downloaded for the wheels, and counted once."""
    (tmp_path / "app.py").write_text(APP.format(on=True, more=""))

    said = command(tmp_path / "empty", tmp_path)("build", "app.py", "--dry-run", "--output", "json")

    assert said.returncode == 0, said.stderr
    layers = json.loads(said.stdout)["images"][0]["layers"]
    hows = [(row["title"].startswith("bytecode of "), row["how"]) for row in layers if "idna" in row["title"]]
    assert hows == [(False, "download"), (True, "write")]
