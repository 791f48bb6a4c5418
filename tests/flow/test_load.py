"""A user's file is imported under one name everywhere, and what is wrong with it is told by file and line."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagewright.errors import ImagewrightError, SpecError, UsageError
from imagewright.flow.absent import Placeholder, placeholders
from imagewright.flow.load import find_workflow, load, module_name, root_of, tasks_of

WORKFLOWS = """
from imagewright import task, workflow

@task
def one(n: int) -> int:
    return n

@workflow
def main(n: int) -> int:
    return one(n)
"""


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Leave no module and no path of this test behind."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_is_a_module_of_its_root(tmp_path: Path) -> None:
    """The root is the first folder up that is no package; the name follows from it, not from the machine."""
    file = write(tmp_path / "code/pkg/sub/flow_a.py", WORKFLOWS)
    write(tmp_path / "code/pkg/__init__.py", "")
    write(tmp_path / "code/pkg/sub/__init__.py", "")

    module = load(file)

    assert root_of(file) == tmp_path / "code"
    assert module_name(file, root_of(file)) == module.__name__ == "pkg.sub.flow_a"
    assert find_workflow(module)(n=3) == 3
    assert load(file) is module
    assert list(tasks_of(module)) == ["one"]


def test_a_file_that_was_changed_at_once_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left beside it: bytecode of the same size and second would be taken for the new file's."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for value in ("1", "2"):
        file = write(tmp_path / "changed.py", f"VALUE = {value}\n")
        os.utime(file, (1_700_000_000, 1_700_000_000))

        loaded = load(file)
        del sys.modules["changed"]

        assert str(loaded.VALUE) == value
    assert not (tmp_path / "__pycache__").exists()
    assert not sys.dont_write_bytecode


def test_its_neighbours_can_be_imported(tmp_path: Path) -> None:
    """As when Python runs the file."""
    write(tmp_path / "neighbour_b.py", WORKFLOWS)
    module = load(write(tmp_path / "flow_b.py", "from neighbour_b import main"))

    assert find_workflow(module, "main")(n=1) == 1
    assert next(iter(find_workflow(module).graph.tasks)) == "neighbour_b:one"


@pytest.mark.parametrize(
    ("name", "text", "what", "line"),
    [
        ("flow_c.py", "x = 1\ndef f(:\n", "flow_c.py is not Python 3.", 2),
        ("flow_d.py", "\n\nraise RuntimeError('no luck')\n", "flow_d.py cannot be imported: RuntimeError: no luck", 3),
        ("flow_e.py", "import sys\nsys.exit(3)\n", "flow_e.py cannot be imported: SystemExit: 3", 2),
        ("flow_f.py", "\nimport absent_package\n", "flow_f.py needs absent_package, which is not installed in this", 2),
        ("flow_g.py", "import sklearn.svm\n", "flow_g.py needs scikit-learn, which is not installed", 1),
        ("flow_h.py", "from os import nothing\n", "flow_h.py cannot be imported: ImportError: cannot import name", 1),
        ("flow_i.py", "import json\njson.loads('{')\n", "flow_i.py cannot be imported: JSONDecodeError", 2),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(
    tmp_path: Path, name: str, text: str, what: str, line: int
) -> None:
    """The line is the user's own, not one of a library that it called."""
    file = write(tmp_path / name, text)

    with pytest.raises(UsageError) as caught:
        load(file)

    assert caught.value.what.startswith(what)
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == (str(file), line)
    assert caught.value.code == ("IW110" if "needs" in what else "IW101")


def test_an_error_of_ours_in_the_file_stays_what_it_is(tmp_path: Path) -> None:
    """A bad ImageSpec is that, not a file that cannot be imported."""
    file = write(tmp_path / "flow_j.py", "from imagewright import ImageSpec\nimage = ImageSpec(packages='numpy')\n")

    with pytest.raises(SpecError):
        load(file)


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("flow_kk.py", "there is no file flow_kk.py", "did you mean 'flow_k.py'?"),
        ("flow_k", "there is no file flow_k", "did you mean 'flow_k.py'?"),
        ("folder", "folder is a directory", "name a file in it: folder/app.py"),
        ("my-app.py", "my-app.py cannot be imported: 'my-app' is no module's name", "letters, digits and underscores"),
        ("json.py", "json.py has the name of Python's own module 'json'", "rename it"),
        ("imagewright.py", "imagewright.py has the name of imagewright's own module", "rename it"),
        ("click.py", "click.py has the name of a module that is in use: click", "rename it"),
    ],
)
def test_a_file_that_cannot_be_one(tmp_path: Path, name: str, what: str, fix: str) -> None:
    """Nothing is imported; the error says which name would do."""
    import click  # noqa: F401 - so that it is in use

    for each in ("flow_k.py", "my-app.py", "json.py", "imagewright.py", "click.py"):
        write(tmp_path / each, "")
    (tmp_path / "folder").mkdir()

    with pytest.raises(UsageError) as caught:
        load(tmp_path / name)

    assert caught.value.what.startswith(what)
    assert fix in caught.value.fix[0]


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("mian", "flow_l.py has no workflow 'mian'", "did you mean 'main'?"),
        ("quux", "flow_l.py has no workflow 'quux'", "its workflows: main, other"),
        ("one", "'one' in flow_l.py is no workflow", "put @workflow above 'one'"),
        (None, "flow_l.py has several workflows: main, other", "name one: flow_l.py main"),
    ],
)
def test_a_workflow_that_is_not_there(tmp_path: Path, name: str | None, what: str, fix: str) -> None:
    """The error names what is."""
    module = load(write(tmp_path / "flow_l.py", WORKFLOWS + "\n@workflow\ndef other() -> None: ...\n"))

    with pytest.raises(UsageError) as caught:
        find_workflow(module, name)

    assert (caught.value.what, caught.value.fix) == (what, (fix,))


def test_a_file_without_a_workflow(tmp_path: Path) -> None:
    """Says how to have one."""
    module = load(write(tmp_path / "flow_m.py", "x = 1"))

    with pytest.raises(UsageError, match="has no workflow"):
        find_workflow(module)


READ = """
import absent_a as a
import absent_a.deep.er
from absent_b.sub import Model, other as renamed
from typing import Optional, Union, List
from imagewright import task, workflow
try:
    import absent_c
except ImportError:
    absent_c = None

Alias = List[a.DataFrame]

class Net(a.nn.Module):
    size: "a.Size" = a.DEFAULT

@task
def f(x: a.DataFrame, y: Optional[Model] = None, z: "a.Series | None" = None) -> Union[a.x.Y, renamed]:
    return x

@task
def g(x: a.Array[int, 3] | None = None) -> "list[a.Frame]":
    return []

@workflow
def main() -> Model:
    return f(g()[0])
"""


def test_a_file_is_read_without_its_packages(tmp_path: Path) -> None:
    """Imports of absent packages, annotations with them, classes that inherit from them: all that only names them."""
    file = write(tmp_path / "flow_n.py", READ)

    module = load(file, reading=placeholders(tmp_path))

    graph = find_workflow(module).graph
    assert [node.name for node in graph.nodes] == ["g", "f"]
    assert isinstance(module.a.DataFrame, Placeholder)
    assert module.absent_c is None


def test_placeholders_leave_nothing_behind(tmp_path: Path) -> None:
    """Afterwards an absent package is absent again."""
    load(write(tmp_path / "flow_o.py", "import absent_a.deep"), reading=placeholders(tmp_path))

    assert "absent_a" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        import absent_a  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.set_option('x', 1)", "absent_a.set_option is called"),
        ("@a.jit\ndef f(): ...", "absent_a.jit is called"),
        ("for x in a.things: ...", "absent_a.things is looped over"),
        ("if a.flag: ...", "absent_a.flag is used as a condition"),
        ("x = a.one + 1", "absent_a.one is used in arithmetic"),
        ("x = a.__version__ == '1'", "absent_a.__version__ is compared"),
        ("x = a.__version__ < '1'", "absent_a.__version__ is compared"),
        ("class N(a.Base): ...\nx = N()", "flow_p.N, whose base class is not installed, is called"),
    ],
)
def test_a_placeholder_is_no_value(tmp_path: Path, line: str, said: str) -> None:
    """What needs the real package while the file is read is an error that names the line and the way out."""
    file = write(tmp_path / "flow_p.py", f"import absent_a as a\n{line}\n")

    with pytest.raises(UsageError) as caught:
        load(file, reading=placeholders(tmp_path))

    assert caught.value.code == "IW110"
    assert caught.value.what.startswith(said)
    assert caught.value.where is not None
    assert caught.value.where.file == str(file)
    assert caught.value.fix[0] == "move that line into the task that needs it"


@pytest.mark.parametrize(
    "text",
    [
        "import neighbour_q\n",  # the user's own package lacks it: a mistake, not an absent package
        "import own_q.missing\n",
        "import click.missing\n",
        "import json.missing\n",
    ],
)
def test_nothing_real_is_shadowed(tmp_path: Path, text: str) -> None:
    """A module missing from the user's own package, from Python, or from a package that is there, is an error still."""
    write(tmp_path / "own_q/__init__.py", "")
    write(tmp_path / "neighbour_q.py", "import own_q.gone\n")
    file = write(tmp_path / "flow_q.py", text)

    with pytest.raises(ImagewrightError, match=r"flow_q\.py cannot be imported: ModuleNotFoundError"):
        load(file, reading=placeholders(tmp_path))


def test_installed_packages_see_the_truth(tmp_path: Path) -> None:
    """A package that tries an optional import is told that it is absent, wherever its folder lies."""
    write(tmp_path / "venv/lib/site-packages/installed_r.py", "import absent_a\n")
    file = write(
        tmp_path / "flow_r.py",
        f"import sys\nsys.path.append({str(tmp_path / 'venv/lib/site-packages')!r})\nimport installed_r\n",
    )

    with pytest.raises(UsageError, match="needs absent_a"):
        load(file, reading=placeholders(tmp_path))
