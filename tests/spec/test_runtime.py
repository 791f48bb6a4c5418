"""What runs in task containers needs nothing but an old Python."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src/imagewright"
RUNTIME = sorted(
    [
        *PACKAGE.glob("spec/*.py"),
        PACKAGE / "errors.py",
        *(PACKAGE / f"oci/{n}.py" for n in ("digest", "platform", "reference")),
    ]
)
NOT_IN_3_9 = {("dataclass", "slots"), ("dataclass", "kw_only"), ("zip", "strict")}


@pytest.mark.parametrize("file", RUNTIME, ids=lambda file: file.name)
def test_python_3_9_reads_it(file: Path) -> None:
    """No syntax, and no argument that 3.9 lacks; annotations are never evaluated."""
    tree = ast.parse(file.read_text("utf-8"), feature_version=(3, 9))

    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.Match, ast.TryStar))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert not {(node.func.id, word.arg) for word in node.keywords} & NOT_IN_3_9
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert futures or "def " not in file.read_text("utf-8")


def test_it_imports_the_standard_library_alone() -> None:
    """An interpreter without site-packages makes a spec and its digest."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n" + PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.startswith("sha256:")


# The package's top imports the workflow as well, which has tests of its own.
PROGRAM = """
import types
package = sys.modules["imagewright"] = types.ModuleType("imagewright")
package.__path__ = [sys.path[0] + "/imagewright"]
from imagewright.spec import ImageSpec
print(ImageSpec(packages=["numpy"]).digest)
"""
