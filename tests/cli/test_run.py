"""`imagewright run` in this process, as in the transcript of the first run."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Golden = Callable[[str, str], None]

NEEDS_ABSENT = """\
from imagewright import ImageSpec, task, workflow


image = ImageSpec(name="demo", packages=["absent-package"])


@task(container_image=image)
def squares(n: int) -> list[int]:
    import absent_package as absent
    return absent.squares(n)


@workflow
def main(n: int = 5) -> list[int]:
    return squares(n=n)
"""

TYPES = """\
import datetime
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from imagewright import task, workflow


class Kind(enum.Enum):
    small = 1
    big = 2


@dataclass
class Point:
    x: int
    y: float = 0.0


@task
def echo(values: dict[str, Any]) -> str:
    print("talk of a task")
    return "; ".join(f"{key}={value!r}" for key, value in values.items())


@workflow
def all_types(
    number: int,
    share: float = 0.5,
    name: str = "x",
    loud: bool = False,
    maybe: Optional[int] = None,
    items: list[int] = [1, 2],
    table: dict[str, int] = {},
    kind: Kind = Kind.small,
    point: Point = Point(1),
    day: datetime.date = datetime.date(2026, 1, 31),
    learning_rate: float = 0.1,
) -> str:
    return echo(
        values={
            "number": number, "share": share, "name": name, "loud": loud, "maybe": maybe, "items": items, "table": table,
            "kind": kind, "point": point, "day": day, "learning_rate": learning_rate,
        }
    )


@task
def fail(n: int) -> int:
    return 1 // n


@workflow
def failing(n: int = 0) -> int:
    return fail(n=n)


@task
def nothing() -> None:
    pass


@workflow
def silent() -> None:
    nothing()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir(exist_ok=True)
    return tmp_path / "work"


def test_hello_needs_nothing_and_is_kept(run: Run, folder: Path) -> None:
    """The example is written, run, and said to be the user's."""
    first = run("run", "hello")
    (folder / "hello.py").write_text((folder / "hello.py").read_text().replace("number**2", "number"))
    second = run("run", "hello")

    assert (first.returncode, first.stdout) == (0, "[0, 1, 4, 9, 16]\n")
    lines = first.stderr.splitlines()
    assert lines[0] == "Wrote the example to ./hello.py - edit it, it is yours."
    assert lines[1].startswith("main(n=5)  ran here, in 0.")
    assert lines[2] == "Next: imagewright build hello.py     make the image its tasks name"
    assert second.stdout == "[0, 1, 2, 3, 4]\n"


def test_a_package_that_is_absent_here_is_in_the_image(run: Run, folder: Path, golden: Golden) -> None:
    """The error names the task, the line, the image, and the whole command that works."""
    (folder / "app.py").write_text(NEEDS_ABSENT)

    done = run("run", "app.py", "main", "--n", "5")

    assert (done.returncode, done.stdout) == (1, "")
    golden("cli/run/absent-package.txt", done.stderr)


def test_inputs_are_options_of_their_types(run: Run, folder: Path) -> None:
    """Each annotation reads its own text."""
    (folder / "app.py").write_text(TYPES)

    done = run(
        *("run", "app.py", "all_types", "--number", "-3", "--share=2", "--name", "two words", "--loud", "--maybe", "7"),
        *(
            "--items",
            "[3]",
            "--table",
            '{"a": 1}',
            "--kind",
            "big",
            "--point",
            '{"x": 2, "y": 3}',
            "--day",
            "2026-02-01",
        ),
        *("--learning-rate", "1e-3"),
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().split("; ") == [
        "number=-3",
        "share=2.0",
        "name='two words'",
        "loud=True",
        "maybe=7",
        "items=[3]",
        "table={'a': 1}",
        "kind=<Kind.big: 2>",
        "point=Point(x=2, y=3.0)",
        "day=datetime.date(2026, 2, 1)",
        "learning_rate=0.001",
    ]


def test_defaults_stand_for_what_is_not_given(run: Run, folder: Path) -> None:
    """And what a task prints is talk."""
    (folder / "app.py").write_text(TYPES)

    done = run("run", "app.py", "all_types", "--number", "1", "--no-loud", "--learning_rate", "2")

    assert done.returncode == 0, done.stderr
    assert "number=1; share=0.5; name='x'; loud=False; maybe=None; items=[1, 2]" in done.stdout
    assert "learning_rate=2.0" in done.stdout
    assert "talk of a task" not in done.stdout
    assert "talk of a task" in done.stderr


def test_help_of_a_workflow_lists_its_inputs(run: Run, folder: Path, golden: Golden) -> None:
    """With what each is and its default."""
    (folder / "app.py").write_text(TYPES)

    done = run("run", "app.py", "all_types", "--help", COLUMNS="80")

    assert done.returncode == 0
    golden("cli/run/workflow-help.txt", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (["app.py"], "app.py has several workflows: all_types, failing, silent", "name one: app.py all_types"),
        (["app.py", "all_typs"], "app.py has no workflow 'all_typs'", "did you mean 'all_types'?"),
        (["app.py", "all_types"], "imagewright run app.py all_types: missing option '--number'", ""),
        (
            ["app.py", "all_types", "--numbr", "1"],
            "imagewright run app.py all_types has no option --numbr",
            "did you mean --number?",
        ),
        (["app.py", "all_types", "--number", "x"], "--number 'x' is not a whole number", "write it as in: --number 4"),
        (
            ["app.py", "failing", "--container"],
            "--container is an option of `imagewright run`, and no input of failing",
            "write it before the file: imagewright run --container app.py failing",
        ),
        (
            ["app.py", "all_types", "--number", "1", "--registry", "local", "--name", "a b"],
            "--registry is an option of `imagewright run`, and no input of all_types",
            "write it before the file: imagewright run --registry local app.py all_types --number 1 --name 'a b'",
        ),
        (["ap.py"], "there is no file ap.py", "did you mean 'app.py'?"),
        (["--containr", "app.py"], "imagewright run has no option --containr", "imagewright run --help"),
    ],
)
def test_a_mistake_is_told_with_the_nearest_that_works(
    run: Run, folder: Path, arguments: list[str], what: str, fix: str
) -> None:
    """Exit code 2 and nothing on stdout."""
    (folder / "app.py").write_text(TYPES)

    done = run("run", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"error[IW101]: {what}"
    assert fix in done.stderr.splitlines()[-1]


def test_a_task_that_raises_shows_its_own_traceback(run: Run, folder: Path) -> None:
    """The user's lines, not ours, and exit code 1."""
    (folder / "app.py").write_text(TYPES)

    done = run("run", "app.py", "failing")

    assert (done.returncode, done.stdout) == (1, "")
    assert "error[IW310]" in done.stderr
    assert "return 1 // n" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "imagewright/runners" not in done.stderr


def test_no_result_prints_nothing(run: Run, folder: Path) -> None:
    """A workflow that returns None has an empty stdout."""
    (folder / "app.py").write_text(TYPES)

    assert run("run", "app.py", "silent").stdout == ""
    assert json.loads(run("run", "--output", "json", "app.py", "silent").stdout) == {"result": None}


def test_json_has_the_result_as_json(run: Run, folder: Path) -> None:
    """For programs."""
    assert json.loads(run("run", "--output=json", "hello").stdout) == {"result": [0, 1, 4, 9, 16]}


def test_quiet_leaves_the_result(run: Run) -> None:
    """``-q`` is for scripts."""
    done = run("run", "-q", "hello")

    assert (done.stdout, done.stderr) == ("[0, 1, 4, 9, 16]\n", "")


def test_an_error_as_json_is_the_one_object_on_stdout(run: Run, folder: Path) -> None:
    """Code, message, where, help and docs."""
    (folder / "app.py").write_text(NEEDS_ABSENT)

    document = json.loads(run("run", "--output", "json", "app.py").stdout)

    assert document["code"] == "IW110"
    assert document["where"] == {"file": "app.py", "line": 9}
    assert document["docs"] == "imagewright explain IW110"


def test_a_file_that_needs_a_package_itself_can_be_run_in_its_image(run: Run, folder: Path) -> None:
    """The import at its top is as good a reason to run it there as one inside a task."""
    (folder / "app.py").write_text("import absent_package_xyz\n" + NEEDS_ABSENT)

    done = run("run", "app.py", "main")

    assert done.returncode == 2
    assert "error[IW110]: app.py needs absent_package_xyz" in done.stderr
    assert "help: run its tasks inside their images: imagewright run --container app.py main\n" in done.stderr


def test_interrupt_ends_with_130(run: Run, folder: Path) -> None:
    """Ctrl-C is no error and no traceback."""
    (folder / "app.py").write_text(
        "from imagewright import task, workflow\n\n"
        "@task\ndef stop() -> int:\n    raise KeyboardInterrupt\n\n"
        "@workflow\ndef main() -> int:\n    return stop()\n"
    )

    done = run("run", "app.py")

    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr
    assert "Interrupted" in done.stderr


def test_a_projects_tests_and_run_agree(run: Run, folder: Path) -> None:
    """What `init` writes can be run as its message says; without numpy it says how."""
    run("init", "demo")

    done = run("run", "app.py", "main", "--n", "5", cwd=folder / "demo")

    assert done.stdout == "[0, 1, 4, 9, 16]\n" or "imagewright run --container app.py main --n 5" in done.stderr
