"""What has no wheel is built by the image's own Python, and works in the image."""

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run

pytestmark = pytest.mark.network

APP = """
from imagewright import ImageSpec, task, workflow

image = ImageSpec("sources", requirements="requirements.txt")


@task(container_image=image)
def look() -> str:
    import answer, docopt, tool
    from importlib.metadata import version

    return f"{answer.answer()} {answer.__file__.rpartition('.')[2]} {version('tool')} {docopt.__version__}"


@workflow
def main() -> str:
    return look()
"""

C = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(ANSWER); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer", "", -1, methods};
PyMODINIT_FUNC PyInit_answer(void) { return PyModule_Create(&module); }
"""

SETUP = """
from setuptools import Extension, setup
setup(name="answer", version="1", ext_modules=[Extension("answer", ["answer.c"], define_macros=[("ANSWER", "42")])])
"""

TOOL = """
[build-system]
requires = ["flit_core>=3.4"]
build-backend = "flit_core.buildapi"
[project]
name = "tool"
version = "2.5"
description = "a tool"
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A C extension in a folder, a repository, and a package that an index has only as an sdist."""
    write(tmp_path, {"answer/answer.c": C, "answer/setup.py": SETUP, "tool/tool.py": "", "tool/pyproject.toml": TOOL})
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "x"), ("tag", "v2.5")):
        named = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        subprocess.run(["git", *named, *arguments], cwd=tmp_path / "tool", env=environ, check=True)
    lines = f"-e ./answer\ntool @ git+{(tmp_path / 'tool').as_uri()}@v2.5\ndocopt==0.6.2\n"
    write(tmp_path, {"requirements.txt": lines, "app.py": APP})
    return tmp_path / "app.py"


def test_sources_are_built_and_work(imagewright: Run, app: Path) -> None:
    """A C extension, a tag of a repository, an sdist: each says that it was built, and runs in the image."""
    ran = imagewright("run", "--container", "app.py", "main")

    assert (ran.returncode, ran.stdout) == (0, "42 so 2.5 0.6.2\n"), ran.stderr
    assert "answer 1 from the folder answer" in ran.stderr
    assert "docopt 0.6.2 from its sdist" in ran.stderr


def test_a_lock_file_names_what_was_built(imagewright: Run, app: Path, cache: Path) -> None:
    """Commit, digests and build requirements; where the wheels are not, they are built again to the same bytes."""
    number = str(int.from_bytes(os.urandom(3), "big"))  # a wheel that no earlier run has made
    write(app.parent, {"answer/answer.c": C.replace("ANSWER", number)})
    before = {path.name for path in (cache / "layers").iterdir()}
    imagewright("lock", "app.py")
    built = imagewright("build", "app.py")
    text = (app.parent / "imagewright.lock" / "sources-linux-amd64.pylock.toml").read_text()

    packages = {package["name"]: package for package in tomllib.loads(text)["packages"]}
    assert len(packages["tool"]["vcs"]["commit-id"]) == 40
    assert packages["answer"]["directory"]["path"] == "../answer"
    assert packages["docopt"]["archive"]["hashes"]["sha256"]
    made = packages["answer"]["tool"]["imagewright"]
    assert any(one.startswith("setuptools==") for one in made["source"]["requires"])

    (cache / "files/sha256" / made["sha256"]).unlink()
    for record in (cache / "built").iterdir():
        if made["sha256"] in record.read_text():
            record.unlink()
    same = imagewright("build", "app.py", "--force")
    for record in (cache / "layers").iterdir():
        if record.name not in before:
            record.unlink()
    again = imagewright("build", "app.py", "--force")

    assert same.stdout == again.stdout == built.stdout, again.stderr
    assert "answer 1 from the folder answer" not in same.stderr  # its layer is there
    assert "answer 1 from the folder answer" in again.stderr


def test_a_header_that_is_missing(imagewright: Run, app: Path) -> None:
    """The error names the file, the Debian package and the options; wheels alone can be asked for."""
    write(app.parent, {"answer/answer.c": "#include <libpq-fe.h>\n"})

    failed = imagewright("build", "app.py")
    app.write_text(APP.replace('.txt")', '.txt", builder_options={"only_binary": True})'))
    refused = imagewright("build", "app.py")

    assert failed.returncode == 1
    assert "error[IW304]" in failed.stderr
    assert "fatal error: libpq-fe.h: No such file or directory" in failed.stderr
    assert 'libpq-fe.h comes with the Debian package libpq-dev: apt_packages=["libpq-dev"]' in failed.stderr
    assert (refused.returncode, "error[IW204]" in refused.stderr) == (3, True), refused.stderr


def test_another_platform(imagewright: Run, app: Path) -> None:
    """What is pure is built here for any platform; what has to be compiled says where."""
    app.write_text(APP.replace('requirements="requirements.txt"', 'packages=["./tool"], platform="linux/arm64"'))
    pure = imagewright("build", "app.py")
    app.write_text(APP.replace('requirements="requirements.txt"', 'packages=["./answer"], platform="linux/arm64"'))
    compiled = imagewright("build", "app.py")

    assert pure.returncode == 0, pure.stderr
    assert compiled.returncode == 3
    assert "has to be built on linux/arm64" in compiled.stderr


def test_psycopg2_from_source(imagewright: Run, tmp_path: Path) -> None:
    """Its sdist with Debian's headers, which the image has as well: the library that it needs comes along."""
    write(
        tmp_path,
        {
            "app.py": APP.replace(
                'requirements="requirements.txt"', 'packages=["psycopg2==2.9.9"], apt_packages=["libpq-dev"]'
            )
        },
    )
    text = (tmp_path / "app.py").read_text()
    (tmp_path / "app.py").write_text(
        text.replace(
            text[text.index("    import answer") : text.index("\n\n@workflow")],
            "    import psycopg2\n\n    return psycopg2.__version__\n",
        )
    )

    ran = imagewright("run", "--container", "app.py", "main")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("2.9.9 "), ran.stdout


def test_a_project_itself(imagewright: Run, tmp_path: Path) -> None:
    """``install_project`` makes its wheel; its files are part of the image's name, imagewright's lock files are not."""
    write(
        tmp_path,
        {"pyproject.toml": TOOL + '[project.scripts]\nhello = "tool:hello"\n', "tool.py": "def hello(): print(1)\n"},
    )
    write(
        tmp_path / "jobs",
        {
            "app.py": """
from imagewright import ImageSpec, task, workflow

image = ImageSpec("itself", requirements="../pyproject.toml", install_project=True)


@task(container_image=image)
def look() -> str:
    import subprocess

    return subprocess.run(["hello"], capture_output=True, text=True, check=True).stdout.strip()


@workflow
def main() -> str:
    return look()
"""
        },
    )
    ran = imagewright("run", "--container", "jobs/app.py", "main")
    first = imagewright("build", "jobs/app.py").stdout
    (tmp_path / "tool.py").write_text("def hello(): print(2)\n")
    changed = imagewright("--output", "json", "build", "jobs/app.py")

    assert (ran.returncode, ran.stdout) == (0, "1\n"), ran.stderr
    assert changed.returncode == 0, changed.stderr
    assert first.strip() not in json.dumps(json.loads(changed.stdout))
