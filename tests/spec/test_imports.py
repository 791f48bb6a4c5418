"""The files that a file imports are found without running it."""

import ast
import sysconfig
from pathlib import Path

import pytest

from imagewright.spec.imports import import_root, imported_files, imported_names


def make(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def names_by_ast(text: str) -> set[tuple[int, str]]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module:
                found.add((node.level, module))
            found |= {(node.level, f"{module}.{a.name}".strip(".")) for a in node.names if a.name != "*"}
    return found


def test_no_import_of_the_standard_library_is_missed() -> None:
    """Whatever Python's own parser calls an import is found, in every module of the standard library."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    missed = {}
    files = sorted(
        file for file in folder.rglob("*.py") if "site-packages" not in file.parts and "test" not in file.parts
    )
    for file in files[:: max(1, len(files) // 150)]:
        try:
            text = file.read_text("utf-8")
            expected = names_by_ast(text)
        except (SyntaxError, UnicodeDecodeError):
            continue  # lib2to3 keeps files of Python 2
        if lost := expected - set(imported_names(text)):
            missed[str(file)] = lost

    assert len(files) > 100
    assert missed == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a, b.c as d", {(0, "a"), (0, "b.c")}),
        ("if x: import a; import b", {(0, "a"), (0, "b")}),
        ("from a import (  # why )\n  b,\n  c as d,\n)", {(0, "a"), (0, "a.b"), (0, "a.c")}),
        ("from a import b, \\\n  c", {(0, "a"), (0, "a.b"), (0, "a.c")}),
        ("from . import a", {(1, "a")}),
        ("from ..a import b", {(2, "a"), (2, "a.b")}),
        ("from .import a", {(1, "a")}),
        ("def f():\n    from a import *", {(0, "a")}),
        ("# import a", set()),
        ("important = 1\nfrom_ = 2", set()),
    ],
)
def test_names(text: str, names: set[tuple[int, str]]) -> None:
    """Every form of the statement."""
    assert set(imported_names(text)) == names


def test_all_that_a_file_imports_is_found(tmp_path: Path) -> None:
    """Packages with their __init__ files, relative imports, namespace packages, imports in functions; cycles end."""
    make(
        tmp_path,
        {
            "main.py": "import numpy\nimport pkg.a\nimport names.space\n",
            "pkg/__init__.py": "",
            "pkg/a.py": "from . import b\nfrom .deep import c\n",
            "pkg/b.py": "import main\ndef f():\n    import late\n",
            "pkg/deep/__init__.py": "from ..sibling import X\n",
            "pkg/deep/c.py": "",
            "pkg/sibling.py": "X = 1\n",
            "pkg/unused.py": "",
            "names/space.py": "",
            "late.py": "",
            "unused.py": "",
        },
    )

    found = {
        str(Path(file).relative_to(tmp_path)) for file in imported_files([str(tmp_path / "main.py")], str(tmp_path))
    }

    assert found == {
        "main.py", "pkg/__init__.py", "pkg/a.py", "pkg/b.py", "pkg/deep/__init__.py", "pkg/deep/c.py", "pkg/sibling.py",
        "names/space.py", "late.py",
    }  # fmt: skip


def test_a_file_in_a_package_brings_its_package(tmp_path: Path) -> None:
    """A module below a package needs the package's own files to be imported, and starts at the package's parent."""
    make(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/flows/__init__.py": "",
            "app/flows/main.py": "from app import x\n",
            "app/x.py": "",
        },
    )
    main = str(tmp_path / "app/flows/main.py")

    assert import_root(main) == str(tmp_path)
    assert len(imported_files([main], str(tmp_path))) == 4


def test_nothing_outside_of_the_root_is_taken(tmp_path: Path) -> None:
    """What lies beside the root, or in the standard library, is not the project's."""
    make(tmp_path, {"root/main.py": "import other\nimport json\n", "other.py": ""})

    assert imported_files([str(tmp_path / "root/main.py")], str(tmp_path / "root")) == [str(tmp_path / "root/main.py")]
