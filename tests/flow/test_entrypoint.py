"""One call in a process of its own, on the standard library alone."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imagewright.flow.values import read_values, write_values

PACKAGE = Path(__file__).parents[2] / "src/imagewright"
RUNTIME = sorted(PACKAGE.glob("flow/*.py"))
NOT_IN_3_9 = {("dataclass", "slots"), ("dataclass", "kw_only"), ("zip", "strict")}

CODE = """
import os, sys
from dataclasses import dataclass
from pathlib import Path
from imagewright import ImageSpec, task

image = ImageSpec(name="demo", packages=["numpy"])

@dataclass
class Row:
    name: str
    count: int

@task(container_image=image)
def add(row: Row, more: int = 1) -> Row:
    print("to stdout")
    print("to stderr", file=sys.stderr)
    return Row(row.name, row.count + more)

def deeper(n):
    return 1 // n

@task
def divides(n: int) -> int:
    return deeper(n)

@task
def chained() -> None:
    try:
        divides(0)
    except ZeroDivisionError as error:
        raise RuntimeError("second") from error

@task
def exits(code: int) -> None:
    sys.exit(code)

@task
def vanishes() -> None:
    os._exit(7)

@task
def big() -> bytes:
    return b"x" * 1_000_000


@task
def unpicklable() -> object:
    return lambda: 1

@task
def writes(text: str) -> Path:
    path = Path("out.txt")
    path.write_text(text)
    return path

@task
def modules() -> list:
    return sorted(name for name in sys.modules if "." not in name)

@task
def is_container() -> bool:
    return image.is_container()

if "never" == __name__:
    @task
    def conditional() -> None: ...
"""


class Place:
    """A folder with code, and a way to run its tasks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs = folder / "outputs"
        (folder / "code").mkdir()
        (folder / "code/flow_entry.py").write_text(CODE)
        (folder / "elsewhere").mkdir()

    def call(
        self, task: str, *, env: dict[str, str] | None = None, **arguments: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a task with a Python that sees no installed package, in a folder that is not the code's."""
        inputs = self.folder / "inputs"
        write_values(arguments, inputs, of=task)
        options = {"--root": "code", "--inputs": "inputs", "--outputs": "outputs"}
        places = [part for option, path in options.items() for part in (option, str(self.folder / path))]
        return subprocess.run(
            [
                sys.executable,
                "-S",
                "-s",
                "-m",
                "imagewright.flow.entrypoint",
                *places,
                "--task",
                task if ":" in task else f"flow_entry:{task}",
            ],
            env={"PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
            cwd=self.folder / "elsewhere",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def error(self) -> dict[str, Any]:
        """What the call left instead of a result."""
        read: dict[str, Any] = json.loads((self.outputs / "error.json").read_text())
        return read


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_call_leaves_its_result(place: Place) -> None:
    """Values of the user's own types come and go; what the task prints is its own, and nothing else is printed."""
    write_row = {"$": "dataclass", "type": "flow_entry:Row", "fields": {"name": "a", "count": 2}}

    from imagewright.flow.values import Encoded

    done = place.call("add", row=Encoded(write_row, place.folder), more=5)

    assert (done.returncode, done.stdout, done.stderr) == (0, "to stdout\n", "to stderr\n")
    document = json.loads((place.outputs / "values.json").read_text())["values"]["result"]
    assert document == {"$": "dataclass", "type": "flow_entry:Row", "fields": {"name": "a", "count": 7}}


def test_a_path_comes_back_from_where_it_was_written(place: Place) -> None:
    """Copied out of the task's working directory."""
    assert place.call("writes", text="hello").returncode == 0

    assert read_values(place.outputs, of="t")["result"].read_text() == "hello"


def test_an_exception_is_told_with_the_tasks_own_traceback(place: Place) -> None:
    """From the task's first line on: no frame of ours is in it. The place is in the task's own file."""
    done = place.call("divides", n=0)

    error = place.error()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert (error["code"], error["what"]) == (
        "IW310",
        "task 'divides' raised ZeroDivisionError: integer division or modulo by zero",
    )
    assert error["traceback"].startswith("Traceback (most recent call last):\n  File ")
    assert "imagewright/flow" not in error["traceback"]
    assert [line.strip() for line in error["traceback"].splitlines() if "return" in line] == [
        "return deeper(n)",
        "return 1 // n",
    ]
    assert error["where"] == {
        "file": "flow_entry.py",
        "line": CODE.splitlines().index("    return 1 // n") + 1,
        "text": "return 1 // n",
    }


def test_a_task_that_calls_a_task_has_its_own_frames_alone(place: Place) -> None:
    """Ours in between are left out as well."""
    place.call("chained")

    assert "in chained" in place.error()["traceback"]
    assert "in divides" in place.error()["traceback"]
    assert "__call__" not in place.error()["traceback"]


@pytest.mark.parametrize("task", ["needs_here", "needs_above"])
def test_a_package_that_the_image_lacks(place: Place, task: str) -> None:
    """Imported in the task or above it: the error says how the image gets it, and what to do when another task needs it."""
    code = CODE + "\n@task\ndef needs_here() -> None:\n    import sklearn.svm\n"
    above = "import sklearn.svm\n" if task == "needs_above" else ""
    (place.folder / "code/flow_entry.py").write_text(above + code)

    assert place.call(task).returncode == 1
    error = place.error()
    assert (error["code"], error["what"]) == (
        "IW310",
        f"task '{task}' needs scikit-learn, which its image does not have",
    )
    assert error["fix"] == [
        "add it to the packages of the task's image",
        "or, when only other tasks need it: import sklearn inside them, or under `if image.is_container():`",
    ]
    assert error["where"]["text"] == "import sklearn.svm"


def test_only_the_tasks_own_module_is_loaded(place: Place) -> None:
    """Files of one run may need different images: what a workflow's file imports is not asked of every task's image."""
    code = place.folder / "code"
    (code / "tasks").mkdir()
    (code / "tasks/__init__.py").write_text("")
    (code / "tasks/two.py").write_text("from imagewright import task\n@task\ndef two() -> int:\n    return 2\n")
    (code / "flow_entry.py").write_text("import sklearn\nfrom tasks.two import two\n")

    assert place.call("tasks.two:two").returncode == 0
    assert read_values(place.outputs, of="t")["result"] == 2


def test_a_module_that_is_nowhere(place: Place) -> None:
    """A task of an installed package that the image does not hold."""
    assert place.call("absent_package.tasks:two").returncode == 1
    assert place.error()["what"] == "task 'two' needs absent_package, which its image does not have"


def test_a_cause_is_part_of_the_traceback(place: Place) -> None:
    """As Python would print it."""
    place.call("chained")

    assert "ZeroDivisionError" in place.error()["traceback"]
    assert "direct cause" in place.error()["traceback"]


def test_sys_exit_is_a_failure(place: Place) -> None:
    """Even with 0: the task has no result then."""
    assert place.call("exits", code=0).returncode == 1
    assert place.error()["what"] == "task 'exits' raised SystemExit: 0"


def test_a_process_that_vanishes_leaves_nothing(place: Place) -> None:
    """Its exit code is its own, and the runner has to say what happened."""
    assert place.call("vanishes").returncode == 7
    assert not place.outputs.exists()


def test_a_result_that_cannot_be_passed(place: Place) -> None:
    """IW313, and no half of a result."""
    assert place.call("unpicklable").returncode == 1
    assert place.error()["code"] == "IW313"
    assert not (place.outputs / "values.json").exists()


@pytest.mark.root
def test_a_result_that_finds_no_space(place: Place) -> None:
    """The error names the folder to move; it gets the space that the result has taken."""
    place.outputs.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place.outputs)], capture_output=True, timeout=30
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode().strip()}")
    try:
        assert place.call("big").returncode == 1

        told = place.error()
        assert (told["code"], told["what"]) == ("IW522", "no space is left for the values of task 'big'")
        assert "TMPDIR=" in told["fix"][0]
        assert [path.name for path in place.outputs.iterdir()] == ["error.json"]
    finally:
        subprocess.run(["umount", str(place.outputs)], check=True, timeout=30)


def test_a_task_that_is_not_there(place: Place) -> None:
    """For want of its name where it runs."""
    assert place.call("conditional").returncode == 1
    assert place.error()["what"] == "task 'conditional' is not found where it runs: flow_entry:conditional"


def test_nothing_is_loaded_that_a_start_does_not_need(place: Place) -> None:
    """No third-party package is there; these modules of Python cost more than all the rest."""
    assert place.call("modules").returncode == 0

    loaded = set(read_values(place.outputs, of="t")["result"])
    costly = {
        "argparse",
        "asyncio",
        "difflib",
        "email",
        "http",
        "logging",
        "pickle",
        "shutil",
        "socket",
        "ssl",
        "subprocess",
    }
    assert loaded & costly == set()
    assert not [
        name
        for name in loaded
        if name not in sys.stdlib_module_names and name not in ("__main__", "flow_entry", "imagewright")
    ]


@pytest.mark.parametrize(("image", "inside"), [(None, True), ("sha256:" + "0" * 64, False)])
def test_a_spec_knows_its_own_container(place: Place, image: str | None, inside: bool) -> None:
    """By the variable that a runner sets."""
    from imagewright import ImageSpec

    declared = image or ImageSpec(name="demo", packages=["numpy"]).declared
    place.call("is_container", env={"IMAGEWRIGHT_IMAGE": declared})

    assert read_values(place.outputs, of="t")["result"] is inside


def test_a_command_line_that_is_not_ours() -> None:
    """Ends with 2 and says what is missing."""
    done = subprocess.run(
        [sys.executable, "-m", "imagewright.flow.entrypoint", "--task", "x:y"],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "'--root' is missing" in done.stderr


@pytest.mark.parametrize("file", RUNTIME, ids=lambda file: file.name)
def test_python_3_9_reads_it(file: Path) -> None:
    """No syntax, and no argument that 3.9 lacks; annotations are never evaluated."""
    text = file.read_text("utf-8")
    tree = ast.parse(text, feature_version=(3, 9))

    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.Match, ast.TryStar))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert not {(node.func.id, word.arg) for word in node.keywords} & NOT_IN_3_9
    assert "from __future__ import annotations" in text or "def " not in text
