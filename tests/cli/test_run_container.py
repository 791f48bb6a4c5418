"""`imagewright run --container`: the main job as a person sees it, with real packages and real containers."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imagewright.errors import SandboxError
from imagewright.sandbox.bubblewrap import probe
from imagewright.sandbox.bwrap import find_bubblewrap

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.network

APP = """\
from pathlib import Path

from imagewright import ImageSpec, task, workflow

image = ImageSpec(name="demo", packages=["iniconfig==2.0.0"])


@task(container_image=image)
def version(text: str) -> str:
    import iniconfig
    from importlib.metadata import version
    print("working")
    return text + version("iniconfig")


@task(container_image=image)
def report(text: str) -> Path:
    path = Path("report.txt")
    path.write_text(text)
    return path


@task(container_image=image)
def fails(n: int) -> int:
    return 1 // n


@task(container_image=image)
def waits() -> int:
    import threading
    threading.Event().wait()
    return 1


@workflow
def main(text: str = "version ") -> str:
    return version(text=text)


@workflow
def files() -> Path:
    return report(text=version(text=""))


@workflow
def failing(n: int = 0) -> int:
    return fails(n=n)


@workflow
def waiting() -> int:
    return waits()


@task(container_image="localhost:1/acme/demo:v1")
def lost() -> int:
    return 1


@workflow
def nowhere() -> int:
    return lost()
"""


@pytest.fixture(scope="module", autouse=True)
def _sandbox(tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        probe(find_bubblewrap(), tmp_path_factory.mktemp("probe"))
    except SandboxError as error:
        pytest.skip(f"this machine makes no sandbox: {error}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir(exist_ok=True)
    (tmp_path / "work" / "app.py").write_text(APP)
    return tmp_path / "work"


def test_the_result_alone_is_on_stdout(run_here: Run, folder: Path) -> None:
    """Images, the output of tasks and their ends are talk; a second run says that nothing was built."""
    first = run_here("run", "--container", "app.py", "main", "--text", "it is ")
    second = run_here("run", "--container", "app.py", "main")

    assert (first.returncode, first.stdout) == (0, "it is 2.0.0\n"), first.stderr
    assert second.stdout == "version 2.0.0\n"
    lines = second.stderr.splitlines()
    assert re.fullmatch(r"demo  unchanged +\d\.\d+s", lines[0])
    assert lines[1] == "  version | working"
    assert re.fullmatch(r"  version   demo   succeeded  \d+\.\d+s", lines[2])
    assert re.fullmatch(r"  main             succeeded  \d+\.\d+s", lines[3])


def test_a_file_that_is_returned_is_kept(run_here: Run, folder: Path) -> None:
    """Where the command was run, and stdout says where."""
    done = run_here("run", "--container", "app.py", "files")

    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path.read_text() == "2.0.0"
    assert path.is_relative_to(folder)


def test_a_tasks_error_has_its_own_traceback_and_line(run_here: Run, folder: Path) -> None:
    """The line in the file on this machine."""
    done = run_here("run", "--container", "app.py", "failing")

    assert (done.returncode, done.stdout) == (1, "")
    assert "ZeroDivisionError" in done.stderr
    assert "  --> app.py:25  return 1 // n" in done.stderr.splitlines()


def test_a_task_that_takes_too_long_is_ended(run_here: Run, folder: Path) -> None:
    """--timeout is for tasks that have no limit of their own."""
    done = run_here("run", "--container", "--timeout", "1", "app.py", "waiting")

    assert done.returncode == 1
    assert "error[IW311]" in done.stderr


def test_an_image_whose_registry_does_not_answer_stops_the_run(run_here: Run, folder: Path) -> None:
    """Before anything runs: exit code 5."""
    done = run_here("run", "--container", "app.py", "nowhere")

    assert (done.returncode, done.stdout) == (5, "")
    assert "error[IW501]: nothing answers at localhost:1" in done.stderr
