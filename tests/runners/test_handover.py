"""A call goes out as files and comes back as files: through a real process."""

import json
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from imagewright.errors import TaskError, Where
from imagewright.events import Listener, nobody
from imagewright.flow.load import find_workflow, load
from imagewright.flow.show import show
from imagewright.runners.handover import entrypoint, read_result, write_inputs
from imagewright.runners.protocol import Runner, TaskCall, TaskResult
from imagewright.runners.schedule import run

SOURCE = Path(__file__).parents[2] / "src"

CODE = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from imagewright import task, workflow

@dataclass
class Row:
    name: str
    counts: list[int]

class Opaque:
    def __init__(self, n):
        self.n = n
    def __repr__(self):
        return f"<opaque {self.n}>"

@task
def make(n: int) -> Row:
    return Row("row", list(range(n)))

@task
def opaque(n: int) -> Opaque:
    return Opaque(n)

@task
def save(row: Row, others: list) -> Path:
    path = Path("table.txt")
    path.write_text(f"{row.name} {row.counts} {[each.n for each in others]}")
    return path

@task
def read(path: Path) -> str:
    return path.read_text()

@task
def fails(n: int) -> int:
    return 1 // n

@workflow
def main(n: int = 3) -> tuple:
    row = make(n)
    path = save(row, [opaque(1), opaque(n)])
    return read(path), row.counts, opaque(7)

@workflow
def bad() -> int:
    return fails(0)
"""


class Processes:
    """A runner with a process for each call, and nothing around it."""

    jobs = 2

    def __init__(self, work: Path) -> None:
        self._work = work

    def run(self, call: TaskCall, listen: Listener) -> TaskResult:
        inputs, outputs, folder = (self._work / call.name / part for part in ("inputs", "outputs", "cwd"))
        write_inputs(call, inputs)
        folder.mkdir()
        command = entrypoint(call, python=sys.executable, code=call.root, inputs=inputs, outputs=outputs)
        env = {"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run(command, cwd=folder, env=env, timeout=60, check=False)
        return read_result(call, outputs)

    def stop(self) -> None: ...


def go(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, **inputs: Any) -> Any:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "code").mkdir()
    file = tmp_path / "code/flow_handover.py"
    file.write_text(CODE)
    sys.modules.pop("flow_handover", None)
    graph = find_workflow(load(file), name).graph
    runner: Runner = Processes(tmp_path / "work")
    return run(graph, inputs, runner, nobody, root=file.parent, file=PurePosixPath(file.name))


def test_a_workflow_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values go from process to process encoded: dataclasses, parts of them, files, and what only pickle takes."""
    result = go(tmp_path, "main", monkeypatch, n=3)

    assert show(result) == "('row [0, 1, 2] [1, 3]', [0, 1, 2], <opaque 7>)"


def test_a_failure_names_the_line_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the code lay in the place where it ran."""
    with pytest.raises(TaskError) as caught:
        go(tmp_path, "bad", monkeypatch)

    line = CODE.splitlines().index("    return 1 // n") + 1
    assert caught.value.where == Where(str(tmp_path / "code/flow_handover.py"), line, "return 1 // n")
    assert caught.value.traceback.endswith("ZeroDivisionError: integer division or modulo by zero\n")


CALL = TaskCall("f", "app:f", Path("/code"), PurePosixPath("app.py"), {}, where=Where("/code/app.py", 1))


def test_no_result_and_no_error(tmp_path: Path) -> None:
    """The process was killed, or killed itself."""
    with pytest.raises(TaskError, match="task 'f' ended without a result") as caught:
        read_result(CALL, tmp_path)

    assert (caught.value.code, caught.value.where) == ("IW310", CALL.where)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"what": 1}',
        json.dumps({"what": "x", "code": "", "why": "s", "fix": [], "traceback": "", "where": 3}),
    ],
)
def test_an_error_that_says_nothing_is_an_error_still(tmp_path: Path, text: str) -> None:
    """A task can write whatever it likes where its error goes."""
    (tmp_path / "error.json").write_text(text)

    with pytest.raises(TaskError, match="left no readable reason"):
        read_result(CALL, tmp_path)


def test_an_error_is_not_read_through_a_link(tmp_path: Path) -> None:
    """It could point to a file of the host."""
    (tmp_path / "error.json").symlink_to("/etc/passwd")

    with pytest.raises(TaskError, match="left no readable reason"):
        read_result(CALL, tmp_path)
