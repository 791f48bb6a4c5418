"""Wheels become a layer whose tree is the installed one, and whose bytes depend on nothing else."""

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.layer.reading import contents, listed
from tests.packages.pypi.wheels import SITE, TARGET, Folder, Part, changed, parts_of, zipped

from imagewright.errors import LockError
from imagewright.layer.planned import InputFile, NothingProven
from imagewright.layer.splice import BrokenStream
from imagewright.layer.stored import StoredDeflater
from imagewright.oci.digest import digest_of
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.members_archive import RefusedArchive
from imagewright.packages.pypi.wheel_layer import WheelLayer
from imagewright.packages.target import Target
from imagewright.parallel import run_all

NOISE = hashlib.shake_256(b"noise").digest(300_000)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def _written(layer: WheelLayer, folder: Folder) -> bytes:
    out = io.BytesIO()
    layer.write(folder, out)
    return out.getvalue()


def test_tree(folder: Folder) -> None:
    """Modules, data, headers, scripts and commands each go to their place, with their modes."""
    wheel = folder.wheel(
        [
            Part("demo/__init__.py", b""),
            Part("demo/native.so", NOISE, mode=0o100755),
            Part("demo/plain.bin", NOISE, method=0),
            Part("demo-1.0.data/scripts/tool", b"#!python -x\nprint(1)\n"),
            Part("demo-1.0.data/scripts/shell", b"#!/bin/sh\ntrue\n"),
            Part("demo-1.0.data/data/share/demo.txt", b"data"),
            Part("demo-1.0.data/headers/demo.h", b"int x;"),
            Part("demo-1.0.data/platlib/extra.py", b"x = 1\n"),
        ],
        entry_points="[console_scripts]\ndemo = demo:main\n[gui_scripts]\nwindow = demo.gui:App.run [extra]\n[other]\nx = y\n",
    )

    stored = _written(WheelLayer((wheel,), TARGET), folder)

    info = f"{SITE}/demo-1.0.dist-info"
    modes = {entry.name: entry.mode for entry in listed(stored) if entry.isreg()}
    files = contents(stored)
    assert modes == {
        f"{SITE}/demo/__init__.py": 0o644,
        f"{SITE}/demo/native.so": 0o755,
        f"{SITE}/demo/plain.bin": 0o644,
        "opt/imagewright/bin/tool": 0o755,
        "opt/imagewright/bin/shell": 0o755,
        "opt/imagewright/share/demo.txt": 0o644,
        "opt/imagewright/include/site/python3.11/demo/demo.h": 0o644,
        f"{SITE}/extra.py": 0o644,
        f"{info}/METADATA": 0o644,
        f"{info}/WHEEL": 0o644,
        f"{info}/entry_points.txt": 0o644,
        "opt/imagewright/bin/demo": 0o755,
        "opt/imagewright/bin/window": 0o755,
        f"{info}/INSTALLER": 0o644,
        f"{info}/RECORD": 0o644,
    }
    assert files[f"{SITE}/demo/native.so"] == files[f"{SITE}/demo/plain.bin"] == NOISE
    assert files["opt/imagewright/bin/tool"] == b"#!/opt/imagewright/bin/python\nprint(1)\n"
    assert files["opt/imagewright/bin/shell"] == b"#!/bin/sh\ntrue\n"
    assert files[f"{info}/INSTALLER"] == b"imagewright\n"
    assert b"from demo.gui import App\n" in files["opt/imagewright/bin/window"]


def test_group(folder: Folder) -> None:
    """A group's order does not matter, and a file that two wheels share is written once."""
    wheels = tuple(folder.wheel({"shared/x.py": b"x\n", f"{name}.py": b"y\n"}, name=name) for name in ("one", "two"))

    stored = _written(WheelLayer(wheels, TARGET), folder)

    assert stored == _written(WheelLayer(wheels[::-1], TARGET), folder)
    assert {"shared/x.py", "one.py", "two.py"} <= {name.removeprefix(SITE + "/") for name in contents(stored)}


def test_two_wheels_that_differ_in_a_file(folder: Folder) -> None:
    """In one group as well, nobody's file is replaced silently."""
    wheels = tuple(folder.wheel({"shared.py": name.encode()}, name=name) for name in ("one", "two"))

    with pytest.raises(LockError, match=r"shared\.py") as refused:
        _written(WheelLayer(wheels, TARGET), folder)

    assert refused.value.code == "IW207"
    assert "one-1.0" in str(refused.value)
    assert "two-1.0" in str(refused.value)


def test_key(folder: Folder) -> None:
    """The key knows what the bytes depend on, and nothing else: not the platform, not the order."""
    one, two = folder.wheel({"a.py": b""}, name="one"), folder.wheel({"b.py": b""}, name="two")
    layer = WheelLayer((one, two), TARGET)
    arm = Target(Platform("linux", "arm64"), "3.11", "/opt/python", ("musl", "1.2"))

    assert layer.key == WheelLayer((two, one), TARGET).key == WheelLayer((one, two), arm).key
    assert len({layer.key, WheelLayer((one,), TARGET).key, WheelLayer((two,), TARGET).key}) == 3
    for field, value in (("python", "3.12"), ("prefix", "/opt/other")):
        other = Target(**{**{name: getattr(TARGET, name) for name in Target.__dataclass_fields__}, field: value})
        assert WheelLayer((one, two), other).key != layer.key
    assert WheelLayer((one, two), TARGET, frozenset({"one"})).key != layer.key
    assert WheelLayer((one, two), TARGET, frozenset({"elsewhere"})).key == layer.key


def test_titles(folder: Folder) -> None:
    """One wheel is named, a large group is cut short."""
    wheels = tuple(folder.wheel({}, name=f"p{number}") for number in range(6))

    assert WheelLayer(wheels[:1], TARGET).title == "p0 1.0"
    assert WheelLayer(wheels, TARGET).title == "p0 1.0, p1 1.0, p2 1.0 and 3 more"


@pytest.mark.parametrize("data", [NOISE + bytes(100_000), b"small " * 50], ids=["large", "small"])
@pytest.mark.parametrize("method", [0, 8])
@pytest.mark.parametrize("lie", ["crc32", "record"])
def test_content_that_lies(data: bytes, method: int, lie: str, folder: Folder) -> None:
    """A wrong CRC or digest of any file fails the layer and names wheel and member."""
    parts = parts_of([Part("demo/x", data, method=method)])
    if lie == "crc32":
        parts = changed(parts, "demo/x", crc32=1)
    else:
        parts = changed(parts, "demo/x", data=data[:-1] + b"?")
    wheel = folder.add(zipped(parts))

    with pytest.raises(RefusedArchive, match=r"demo-1\.0-py3-none-any\.whl is refused: its") as refused:
        _written(WheelLayer((wheel,), TARGET), folder)

    assert (refused.value.code, refused.value.member) == ("IW303", "demo/x")
    assert isinstance(refused.value.__cause__, BrokenStream)


def test_a_bad_record_may_be_allowed(folder: Folder) -> None:
    """For the distribution that is named, RECORD is made anew from what is really there."""
    parts = changed(parts_of({"demo/x.py": b"true\n"}), "demo-1.0.dist-info/RECORD", data=b"nonsense,,\n")
    wheel = folder.add(zipped(parts))

    with pytest.raises(RefusedArchive, match="RECORD"):
        _written(WheelLayer((wheel,), TARGET), folder)
    files = contents(_written(WheelLayer((wheel,), TARGET, frozenset({"demo"})), folder))

    sound = folder.wheel({"demo/x.py": b"true\n"})
    assert files == contents(_written(WheelLayer((sound,), TARGET), folder))


_WRITE = """
import hashlib, io, pathlib, sys
from tests.packages.pypi.test_wheel_layer import sample_digest
print(sample_digest(pathlib.Path(sys.argv[1])))
"""


def sample_digest(folder: Path) -> str:
    """The digest of a layer with a bit of everything."""
    wheels = Folder(folder)
    files = {f"demo/{number}.bin": NOISE[: number * 997] for number in range(40)}
    one = wheels.wheel(files, entry_points="[console_scripts]\na = demo:b\n")
    layer = WheelLayer((one, wheels.wheel({"\u00e9.py": b"x" * 5000}, name="other")), TARGET)
    return hashlib.sha256(_written(layer, wheels)).hexdigest()


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_equal_bytes_at_any_number_of_workers(jobs: int, tmp_path: Path) -> None:
    """Layers that are written side by side do not change each other."""
    folders = [tmp_path / str(number) for number in range(8)]
    for folder in folders:
        folder.mkdir()

    assert set(run_all(sample_digest, folders, jobs=jobs)) == {sample_digest(tmp_path)}


@pytest.mark.parametrize("seed", ["0", "7"])
@pytest.mark.parametrize("before", ["", "import sys; sys.modules['isal'] = None"], ids=["isal", "zlib"])
@pytest.mark.parametrize(("umask", "zone", "locale"), [(0o022, "UTC", "C"), (0o077, "Pacific/Apia", "C.UTF-8")])
def test_equal_bytes_in_any_process(seed: str, before: str, umask: int, zone: str, locale: str, tmp_path: Path) -> None:
    """Umask, time zone, locale, hash seed, working directory, clock, and which inflater there is reach nothing."""
    root = Path(__file__).parents[3]
    environment = {
        "PYTHONHASHSEED": seed,
        "TZ": zone,
        "LC_ALL": locale,
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}",
    }

    ended = subprocess.run(
        [sys.executable, "-c", before + _WRITE, str(tmp_path)],
        env=environment, umask=umask, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert ended.stderr == ""
    assert ended.stdout.strip() == sample_digest(tmp_path)


_PEAK = r"""
import pathlib, re, sys
from tests.packages.pypi.test_wheel_layer import write_to_nowhere
write_to_nowhere(pathlib.Path(sys.argv[1]), sys.argv[2])
print(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""


def write_to_nowhere(folder: Path, digest: str) -> None:
    """Write the layer of a wheel that lies in the folder under its digest."""

    class Nowhere(NothingProven):
        def write(self, data: bytes | memoryview, /) -> None:
            pass

        def path(self, file: InputFile) -> Path:
            return folder / digest

    filename = "demo-1.0-py3-none-any.whl"
    locked = LockedWheel("demo", "1.0", InputFile(f"https://example.com/{filename}", digest_of(b""), 0))
    WheelLayer((locked,), TARGET).write(Nowhere(), Nowhere())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("method", [0, 8])
def test_memory_does_not_grow_with_the_wheel(method: int, tmp_path: Path) -> None:
    """A wheel with a file of 48 MiB costs at most 12 MiB more than one with a file of 1 MiB."""
    root = Path(__file__).parents[3]
    environment = {"PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
    folder = Folder(tmp_path)
    peaks: list[int] = []
    for size in (1 << 20, 48 << 20):
        data = NOISE * (size // len(NOISE))
        deflater = StoredDeflater()
        stream = deflater.compress(data) + deflater.flush()
        wheel = folder.wheel([Part("demo/x", data, method=method, stream=stream if method else None)])
        del data, stream

        ended = subprocess.run(
            [sys.executable, "-c", _PEAK, str(tmp_path), wheel.file.digest.partition(":")[2]],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

        assert ended.stderr == ""
        peaks.append(int(ended.stdout))

    small, large = peaks
    assert large - small < 12 << 10, "in KiB"
