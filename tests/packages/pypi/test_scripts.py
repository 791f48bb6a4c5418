"""Commands become the launchers that pip writes, and scripts get the environment's interpreter."""

import importlib.metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagewright.packages.pypi.scripts import Command, commands, is_python_script, with_interpreter

_WORD = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(lambda word: not word.startswith("python"))


def test_launcher() -> None:
    """Byte for byte what pip 26 writes; tests/against compares with pip itself."""
    assert Command("demo", "demo.cli", "App.run").launcher("/opt/imagewright/bin/python") == (
        b"#!/opt/imagewright/bin/python\n"
        b"import sys\n"
        b"from demo.cli import App\n"
        b"if __name__ == '__main__':\n"
        b"    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n"
        b"    sys.exit(App.run())\n"
    )


@given(st.lists(st.tuples(_WORD, _WORD, _WORD, st.booleans()), unique_by=lambda item: item[0], max_size=5))
def test_entry_points_as_importlib_reads_them(items: list[tuple[str, str, str, bool]]) -> None:
    """Comments, spaces and other groups do not matter."""
    text = "# a comment\n[demo.plugins]\nx = y:z\n"
    for name, module, attribute, gui in items:
        group = "gui_scripts" if gui else "console_scripts"
        text += f"\n[{group}]\n# note\n  {name}={module}.{module} :{attribute} [extra]\n"

    found = commands(text)

    points = importlib.metadata.EntryPoints._from_text(text)  # type: ignore[attr-defined]
    known = {(point.name, point.module, point.attr) for point in points if point.group != "demo.plugins"}
    assert {(command.name, command.module, command.attribute) for command in found} == known


@pytest.mark.parametrize(
    ("script", "is_python", "rewritten"),
    [
        (b"#!python\nx\ny\n", True, b"#!/p\nx\ny\n"),
        (b"#!pythonw\nx\n", True, b"#!/p\nx\n"),
        (b"#!python -E\r\nx\n", True, b"#!/p\nx\n"),
        (b"#!python", True, b"#!/p\n"),
        (b"#!/usr/bin/python\n", False, b""),
        (b"#! python\n", False, b""),
        (b"\x7fELF", False, b""),
        (b"", False, b""),
    ],
)
def test_scripts(script: bytes, is_python: bool, rewritten: bytes) -> None:
    """Only a first line that begins with exactly ``#!python`` is replaced, all of it."""
    assert is_python_script(script) == is_python
    if is_python:
        assert with_interpreter(script, "/p") == rewritten


def test_two_declarations_that_agree() -> None:
    """A command that is declared twice alike is one."""
    assert commands("[console_scripts]\na = b:c\n[gui_scripts]\na = b:c\n") == [Command("a", "b", "c")]
