"""Conda packages become a layer whose tree is the installed one, and whose bytes depend on nothing else."""

import json
from pathlib import Path

import pytest
from tests.layer.reading import contents, listed
from tests.packages.conda.packages import PREFIX, Folder, stored

from imagewright.errors import LockError
from imagewright.packages.conda.package_layer import CondaLayer
from imagewright.testing.conda import CondaFile, make_package

OLD = "/build/_placeholder_placeholder_placeholder"
ROOT = PREFIX.lstrip("/")


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_files_links_modes_and_times(suffix: str, tmp_path: Path) -> None:
    """Each goes below the prefix as the package has it; times stay, since compiled Python names them."""
    package = make_package(
        "lib",
        "1.0",
        {
            "bin/tool": CondaFile(b"\x7fELF", executable=True),
            "lib/liba.so.1": CondaFile(b"library", mtime=1700000000),
            "lib/liba.so": CondaFile(link="liba.so.1"),
            "share/up": CondaFile(link="../lib/liba.so"),
        },
        suffix=suffix,
    )

    layer = stored([package], tmp_path)

    entries = {entry.name.removeprefix(f"{ROOT}/"): entry for entry in listed(layer) if not entry.isdir()}
    assert set(entries) == {"bin/tool", "lib/liba.so.1", "lib/liba.so", "share/up", "conda-meta/lib-1.0-0.json"}
    assert entries["bin/tool"].mode == 0o755
    assert (entries["lib/liba.so.1"].mode, entries["lib/liba.so.1"].mtime) == (0o644, 1700000000)
    assert (entries["lib/liba.so"].linkname, entries["share/up"].linkname) == ("liba.so.1", "../lib/liba.so")
    assert contents(layer)[f"{ROOT}/lib/liba.so.1"] == b"library"


def test_the_prefix_is_written_into_texts_and_programs(tmp_path: Path) -> None:
    """In a program every string keeps its length."""
    program = b"\0\1" + f"{OLD}/lib:{OLD}/share".encode() + b"\0next\0"
    package = make_package(
        "tool",
        "1.0",
        {
            "bin/script": CondaFile(f"#!{OLD}/bin/sh\n# {OLD}\n".encode(), executable=True, placeholder=OLD),
            "lib/program": CondaFile(program, placeholder=OLD, mode="binary"),
        },
    )

    files = contents(stored([package], tmp_path))

    assert files[f"{ROOT}/bin/script"] == f"#!{PREFIX}/bin/sh\n# {PREFIX}\n".encode()
    replaced = f"{PREFIX}/lib:{PREFIX}/share".encode()
    length = len(f"{OLD}/lib:{OLD}/share")
    assert files[f"{ROOT}/lib/program"] == b"\0\1" + replaced.ljust(length, b"\0") + b"\0next\0"
    record = json.loads(files[f"{ROOT}/conda-meta/tool-1.0-0.json"])
    rows = {row["_path"]: row for row in record["paths_data"]["paths"]}
    assert rows["lib/program"]["prefix_placeholder"] == OLD
    assert rows["lib/program"]["sha256_in_prefix"] != rows["lib/program"]["sha256"]


def test_python_code_for_every_platform_goes_to_the_environments_python(tmp_path: Path) -> None:
    """Modules to its site-packages, scripts to bin, and commands are made."""
    package = make_package(
        "pure",
        "2.0",
        {"site-packages/pure/__init__.py": b"", "python-scripts/old": b"#!python\n", "etc/pure.cfg": b""},
        noarch="python",
        subdir="noarch",
        entry_points=["pure = pure.cli:main.run"],
    )

    layer = stored([package], tmp_path, python="3.12")

    files = contents(layer)
    assert {
        f"{ROOT}/{path}" for path in ("lib/python3.12/site-packages/pure/__init__.py", "bin/old", "etc/pure.cfg")
    } <= set(files)
    command = files[f"{ROOT}/bin/pure"].decode()
    assert command.startswith(f"#!{PREFIX}/bin/python3.12\n")
    assert "from pure.cli import main\n" in command
    assert "sys.exit(main.run())" in command
    assert {entry.mode for entry in listed(layer) if entry.name == f"{ROOT}/bin/pure"} == {0o755}


def test_equal_packages_give_equal_bytes_whatever_their_order(tmp_path: Path) -> None:
    """And the same key; another Python changes the key only where Python code is among them."""
    inputs = Folder(tmp_path)
    one, two = (inputs.add(make_package(name, "1", {f"share/{name}": b"x"})) for name in ("one", "two"))
    pure = inputs.add(make_package("pure", "1", {"site-packages/p.py": b""}, noarch="python", subdir="noarch"))

    assert stored([make_package(name, "1", {f"share/{name}": b"x"}) for name in ("one", "two")], tmp_path) == stored(
        [make_package(name, "1", {f"share/{name}": b"x"}) for name in ("two", "one")], tmp_path
    )
    assert CondaLayer((one, two), PREFIX, "3.11").key == CondaLayer((two, one), PREFIX, "3.12").key
    assert CondaLayer((one, pure), PREFIX, "3.11").key != CondaLayer((one, pure), PREFIX, "3.12").key
    assert CondaLayer((one,), PREFIX, "3.11").key != CondaLayer((one,), "/opt/other", "3.11").key


def test_one_path_with_two_contents_is_refused_and_with_one_is_not(tmp_path: Path) -> None:
    """Both packages are named."""
    one = make_package("one", "1", {"share/same": b"x", "share/other": b"1"})
    two = make_package("two", "1", {"share/same": b"x"})
    three = make_package("three", "1", {"share/other": b"2"})

    assert contents(stored([one, two], tmp_path))[f"{ROOT}/share/same"] == b"x"
    with pytest.raises(LockError) as refused:
        stored([one, three], tmp_path)
    assert refused.value.code == "IW207"
    assert refused.value.why == ("one is in one-1-0.conda", "the other in three-1-0.conda")


def test_the_record_tells_nothing_of_the_machine(tmp_path: Path) -> None:
    """A channel that is a folder goes by its last name alone."""
    from imagewright.layer.planned import InputFile
    from imagewright.oci.digest import digest_of
    from imagewright.packages.conda.locked import LockedConda

    file = InputFile("channel:my%20channel/linux-64/one-1-0.conda", digest_of(b"x"), 1)
    locked = LockedConda("one", "1", "0", "", file)

    assert locked.url == "file:///my%20channel/linux-64/one-1-0.conda"
    assert (locked.filename, locked.subdir) == ("one-1-0.conda", "linux-64")
