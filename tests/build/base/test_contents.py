"""What is kept of a layer."""

import json

import pytest
from tests.build.base.layers import ELF, GLIBC, PYTHON, contents

from imagewright.build.base.contents import Contents, Entry


def test_versions_are_read_from_programs_and_libraries() -> None:
    """A Python and a C library say which version they are, wherever they lie."""
    found = contents({"opt/x/bin/python3.11": PYTHON, "usr/lib/libpython3.12.so.1.0": ELF + b"\x003.12.1+\0", **GLIBC})

    assert found.entries["opt/x/bin/python3.11"] == Entry("file", "3.11.9")
    assert found.entries["usr/lib/libpython3.12.so.1.0"] == Entry("file", "3.12.1")
    assert found.entries["lib/x86_64-linux-gnu/libc.so.6"] == Entry("file", "2.36")


def test_a_script_called_python_is_no_interpreter() -> None:
    """pyenv's shims are shell scripts: nothing can be linked to them."""
    assert "root/.pyenv/shims/python3" not in contents({"root/.pyenv/shims/python3": b"#!/bin/sh\n"}).entries


def test_distributions_that_bring_programs_are_marked() -> None:
    """By their entry points, or by what their RECORD lists outside of the folder of packages."""
    site = "usr/lib/python3.11/site-packages"
    found = contents(
        {
            f"{site}/a-1.0.dist-info/entry_points.txt": b"[console_scripts]\na = a:main\n",
            f"{site}/b-1.0.dist-info/RECORD": b"../../../bin/b,,\n",
            f"{site}/c-1.0.dist-info/entry_points.txt": b"[pytest11]\nc = c\n",
        }
    ).entries

    assert {path[-15:-14]: entry.text for path, entry in found.items()} == {"a": "commands", "b": "commands", "c": ""}


def test_what_a_layer_takes_away_is_kept() -> None:
    """Whiteouts and opaque folders."""
    found = contents({"usr/bin/.wh.python3": b"", ".wh.opt": b"", "etc/.wh..wh..opq": b""})

    assert (found.removed, found.emptied) == (("usr/bin/python3", "opt"), ("etc",))


def test_it_is_read_back_as_it_was() -> None:
    """What is remembered is what was found."""
    found = contents({"usr/bin/python3": "python3.11", ".wh.opt": b"", **GLIBC})

    assert Contents.from_json(json.loads(json.dumps(found.to_json()))) == found
    with pytest.raises(ValueError, match="format"):
        Contents.from_json({**found.to_json(), "format": 0})
