"""The program that compiles in the image: bytes that are a function of each source alone."""

import dis
import importlib.util
import marshal
import py_compile
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from imagewright.build.bytecode import compile_sources

FOLDER = "/opt/imagewright/lib/site-packages"

# Names, constants and sets that the sources have in common, with each other and with any interpreter.
SOURCES = {
    f"{FOLDER}/one.py": b"import os, sys\nNAME = 'shared name'\nKINDS = {'a', 'b', 'shared', 1, 2.5}\n\n"
    b"def f(shared, name=NAME):\n    return shared in {'x', 'y', 'shared', 'name'}, (1, 'shared name'), b'shared', 10**9\n",
    f"{FOLDER}/two.py": b"class shared:\n    name = 'shared name'\n    kinds = (1, 'shared name'), 10**9, 2.5, 'x', 'y', '-'\n",
    f"{FOLDER}/latin.py": "# coding: latin-1\nWORD = 'é'\n".encode("latin-1"),
    f"{FOLDER}/odd.py": b'"""Doc."""\nassert __name__\nx = "\\ud800"\n',
    f"{FOLDER}/empty.py": b"",
    # One process that compiled both would write the constant above in another way after this name than before it.
    f"{FOLDER}/name.py": "é = 1\n".encode(),
}


def compiled(
    sources: dict[str, bytes],
    folder: Path,
    *,
    order: Sequence[str] = (),
    processes: int = 1,
    level: int = 0,
    check: bool = False,
    seed: str = "0",
) -> dict[str, bytes]:
    """What the program writes, by path."""
    paths = list(order or sources)
    given, made = folder / "given", folder / "made"
    given.mkdir(parents=True)
    made.mkdir()
    (given / "index").write_bytes(b"".join(b"%d %s\n" % (len(sources[path]), path.encode()) for path in paths))
    (given / "sources").write_bytes(b"".join(sources[path] for path in paths))
    program = str(compile_sources.__file__)
    arguments = (str(given), str(made), str(processes), str(level), "1" if check else "0")
    done = subprocess.run(
        [sys.executable, "-S", "-s", program, *arguments],
        env={"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, bytes] = {}
    for file in sorted(made.iterdir()):
        data = file.read_bytes() if file.name != "tag" else b""
        while data:
            number, size = int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little")
            found[paths[number]] = data[16 : 16 + size]
            data = data[16 + size :]
    assert (made / "tag").read_text() == sys.implementation.cache_tag
    return found


def test_order_processes_and_hashes_do_not_matter(tmp_path: Path) -> None:
    """Each source alone, all of them forwards and backwards, in one process and in several: the same bytes."""
    paths = list(SOURCES)
    first = compiled(SOURCES, tmp_path / "first")

    others = [
        compiled(SOURCES, tmp_path / "backwards", order=paths[::-1]),
        compiled(SOURCES, tmp_path / "beside", processes=3),
        compiled(SOURCES, tmp_path / "backwards-beside", order=paths[::-1], processes=2),
        {path: compiled({path: SOURCES[path]}, tmp_path / str(at))[path] for at, path in enumerate(paths)},
    ]
    others.append(compiled(SOURCES, tmp_path / "seed", seed="4711"))

    assert first.keys() == SOURCES.keys()
    assert [other == first for other in others] == [True] * len(others)


@pytest.mark.parametrize(
    ("check", "mode"),
    [
        (False, py_compile.PycInvalidationMode.UNCHECKED_HASH),
        (True, py_compile.PycInvalidationMode.CHECKED_HASH),
    ],
)
def test_it_is_what_python_itself_would_write(
    tmp_path: Path, check: bool, mode: py_compile.PycInvalidationMode
) -> None:
    """The header is py_compile's, and the code is equal; a traceback shows the path in the image."""
    made = compiled(SOURCES, tmp_path, check=check)

    for path, source in SOURCES.items():
        (tmp_path / "source.py").write_bytes(source)
        py_compile.compile(str(tmp_path / "source.py"), str(tmp_path / "there.pyc"), dfile=path, invalidation_mode=mode)
        expected = (tmp_path / "there.pyc").read_bytes()
        code = marshal.loads(made[path][16:])
        assert made[path][:16] == expected[:16]
        assert code == marshal.loads(expected[16:])
        assert code.co_filename == path


def test_assertions_and_docstrings_go_with_the_level(tmp_path: Path) -> None:
    """As ``python -O`` and ``-OO`` have it."""
    path = f"{FOLDER}/odd.py"

    made = [compiled({path: SOURCES[path]}, tmp_path / str(level), level=level)[path] for level in (0, 1, 2)]

    assert [(b"Doc." in one, b"AssertionError" in one or _asserts(one)) for one in made] == [
        (True, True),
        (True, False),
        (False, False),
    ]


def _asserts(bytecode: bytes) -> bool:
    return any(one.opname == "LOAD_ASSERTION_ERROR" for one in dis.get_instructions(marshal.loads(bytecode[16:])))


def test_what_is_no_python_is_left_out(tmp_path: Path) -> None:
    """Another Python's syntax, a template, bytes that are no text: no bytecode, and no error."""
    sources = {
        "/a/python2.py": b"print 'x'\n",
        "/a/template.py": b"{{ name }} = {% if x %}\n",
        "/a/bytes.py": b"x = '\xff'\n",
        "/a/nul.py": b"x = 1\0\n",
        "/a/coding.py": b"# coding: no-such-coding\n",
        "/a/deep.py": b"x = " + b"(" * 5000 + b")" * 5000,
        "/a/good.py": b"x = 1\n",
    }

    assert compiled(sources, tmp_path, processes=2).keys() == {"/a/good.py"}


def test_the_source_is_not_needed_to_import(tmp_path: Path) -> None:
    """Python takes unchecked bytecode beside a source that is another one, and checked bytecode only beside its own."""
    for check in (False, True):
        folder = tmp_path / str(check)
        folder.mkdir()
        path = str(folder / "module.py")
        made = compiled({path: b"x = 'compiled'\n"}, folder / "work", check=check)
        cache = Path(importlib.util.cache_from_source(path))
        cache.parent.mkdir()
        cache.write_bytes(made[path])
        Path(path).write_text("x = 'source'\n")
        said = subprocess.run(
            [sys.executable, "-B", "-c", "import module; print(module.x)"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert said.stdout.strip() == ("source" if check else "compiled")
