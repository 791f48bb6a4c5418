"""A package's layer against the tree that py-rattler's own installer makes of it."""

import importlib.util
import io
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.packages.conda.packages import Folder

from imagewright.packages.conda.environment_layer import CondaHistoryLayer
from imagewright.packages.conda.locked import LockedEnvironment
from imagewright.packages.conda.package_layer import CondaLayer
from imagewright.testing.conda import CondaFile, MadePackage, make_package, write_channel

OLD = "/build/_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold_placehold"

INSTALL = """
import asyncio, os, sys
import rattler
channel, prefix, cache, *specs = sys.argv[1:]

async def main():
    gateway = rattler.Gateway(cache_dir=cache)
    records = await rattler.solve([f"file://{channel}"], specs, gateway=gateway, platforms=["linux-64", "noarch"])
    await rattler.install(
        records, prefix, cache_dir=cache, platform=rattler.Platform("linux-64"), show_progress=False,
        execute_link_scripts=False,
    )

asyncio.run(main())
sys.stdout.flush()
os._exit(0)
"""

READ = """
import os, pathlib, sys
import rattler
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    record = rattler.PrefixRecord.from_path(path)
    print(record.name.normalized, record.version, record.build, len(record.files), len(record.paths_data.paths))
sys.stdout.flush()
os._exit(0)
"""


def packages() -> list[MadePackage]:
    """A Python, programs with a prefix in them, links, Python code for all platforms, and the old format."""
    program = b"\0" + f"{OLD}/lib:{OLD}/share/x".encode() + b"\0\0rest" + f"{OLD}\0".encode()
    return [
        make_package(
            "python", "3.11.7", {"bin/python3.11": CondaFile(b"\x7fELF", executable=True)}, build="h1_0_cpython"
        ),
        make_package(
            "tools",
            "1.0",
            {
                "bin/tool": CondaFile(f"#!{OLD}/bin/python3.11\nprint('{OLD}')\n".encode(), True, OLD),
                "bin/program": CondaFile(program, True, OLD, "binary"),
                "lib/libtool.so.1.2": CondaFile(os.urandom(100_000)),
                "lib/libtool.so": CondaFile(link="libtool.so.1.2"),
                "share/here": CondaFile(link="../lib"),
                "etc/tool.cfg": CondaFile(f"prefix = {OLD}\n".encode(), placeholder=OLD),
            },
            depends=["python"],
        ),
        make_package(
            "pure",
            "2.0",
            {
                "site-packages/pure/__init__.py": b"x = 1\n",
                "site-packages/pure-2.0.dist-info/METADATA": b"Name: pure\nVersion: 2.0\n",
                "python-scripts/pure-script": CondaFile(b"#!/bin/sh\n", executable=True),
                "share/pure/data": b"data",
            },
            noarch="python",
            subdir="noarch",
            build="py_0",
            entry_points=["pure-command = pure.main:run"],
            depends=["python"],
        ),
        make_package("old", "0.9", {"share/old": b"old", "share/link": CondaFile(link="old")}, suffix=".tar.bz2"),
    ]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where the installer has put them, and where our layers are unpacked; both for one prefix."""
    if importlib.util.find_spec("rattler") is None:
        pytest.skip("py-rattler is not installed")
    folder = tmp_path_factory.mktemp("trees")
    made = packages()
    prefix = folder / "theirs"
    channel = write_channel(folder / "channel", made)
    specs = [package.index["name"] for package in made]
    arguments = [str(channel), str(prefix), str(folder / "cache"), *specs]
    subprocess.run([sys.executable, "-W", "ignore", "-c", INSTALL, *arguments], check=True, timeout=120)
    (folder / "files").mkdir()
    inputs = Folder(folder / "files")
    locked = tuple(map(inputs.add, made))
    ours = folder / "ours"
    for layer in (CondaLayer(locked, str(prefix), "3.11"), CondaHistoryLayer(LockedEnvironment(str(prefix), locked))):
        out = io.BytesIO()
        layer.write(inputs, out)
        with tarfile.open(fileobj=io.BytesIO(out.getvalue()), mode="r:gz") as tar:
            tar.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # Debian 12's Python has none
            tar.extractall(ours)
    return prefix, ours / str(prefix).lstrip("/")


def test_every_file_is_the_same(trees: tuple[Path, Path]) -> None:
    """Path, kind, content, link and mode; records are compared by who reads them, and ours are not compiled.

    Commands that are made are indented as conda does, by spaces.
    """
    theirs, ours = map(tree, trees)

    assert len(theirs) >= 14
    assert ours == theirs


def test_rattler_reads_the_records(trees: tuple[Path, Path]) -> None:
    """Name, version, build and number of files are those of its own records."""
    theirs, ours = trees
    read = [
        subprocess.run(
            [sys.executable, "-c", READ, str(root / "conda-meta")],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for root in (theirs, ours)
    ]

    assert read[1].splitlines() == read[0].splitlines()
    assert [line.split()[0] for line in read[1].splitlines()] == ["old", "pure", "python", "tools"]
    assert (ours / "conda-meta" / "history").read_text().startswith("==> 1970-01-01 00:00:00 <==\n")


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Every file below a folder but records and bytecode."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_file() and not name.startswith(("conda-meta/", "CACHEDIR.TAG")) and "__pycache__" not in name:
            data = path.read_bytes().replace(b"\n\t", b"\n    ")
            found[name] = ("file", data, bool(path.stat().st_mode & stat.S_IXUSR))
    return found
