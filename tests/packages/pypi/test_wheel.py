"""A sound wheel opens, however its distribution is spelled and whatever its RECORD is hashed with."""

import base64
import hashlib
from pathlib import Path

import pytest
from tests.packages.pypi.wheels import Part, changed, parts_of, zipped

from imagewright.packages.pypi.members_archive import RefusedArchive
from imagewright.packages.pypi.wheel import open_wheel


def _write(folder: Path, parts: list[Part]) -> Path:
    path = folder / "wheel"
    path.write_bytes(zipped(parts))
    return path


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("demo-1.0-py3-none-any.whl", "demo", "1.0"),
        ("demo-1.0-1build-py3-none-any.whl", "demo", "1.0"),
        ("Zope.Demo-1.0-py3-none-any.whl", "zope_demo", "1.0"),
        ("zope_demo-1.0-py3-none-any.whl", "Zope.Demo", "1.0.0"),
        ("demo-1.0+cpu-py3-none-any.whl", "demo", "1.0+cpu"),
    ],
)
def test_spellings(filename: str, name: str, version: str, tmp_path: Path) -> None:
    """Names and versions are compared as packaging compares them."""
    with open_wheel(_write(tmp_path, parts_of({"x.py": b""}, name=name, version=version)), filename) as wheel:
        assert wheel.dist_info == f"{name}-{version}.dist-info"
        assert wheel.data == f"{name}-{version}.data"
        assert wheel.distribution == filename.partition("-")[0]


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512", "blake2b"])
def test_record_algorithms(algorithm: str, tmp_path: Path) -> None:
    """Any algorithm at least as strong as sha256 is proven by that algorithm."""
    parts = parts_of({"x.py": b"x = 1\n"})
    digest = hashlib.new(algorithm, b"x = 1\n").digest()
    line = f"x.py,{algorithm}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},6\n".encode()
    rest = parts[-1].data.split(b"\n", 1)[1]

    with open_wheel(
        _write(tmp_path, changed(parts, "demo-1.0.dist-info/RECORD", data=line + rest)), "demo-1.0-py3-none-any.whl"
    ) as wheel:
        assert wheel.recorded["x.py"] == (algorithm, digest)


def test_read(tmp_path: Path) -> None:
    """Files of the dist-info folder are read and proven; one that is not there is None."""
    with open_wheel(_write(tmp_path, parts_of({})), "demo-1.0-py3-none-any.whl") as wheel:
        assert (
            wheel.read("WHEEL") == b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        assert wheel.read("entry_points.txt") is None


def test_the_way_out_of_a_bad_record_is_named(tmp_path: Path) -> None:
    """Whoever trusts the wheel all the same is told what to write."""
    parts = changed(parts_of({"x.py": b""}, name="zope.demo"), "zope.demo-1.0.dist-info/RECORD", data=b"")

    with (
        pytest.raises(RefusedArchive, match="does not list") as refused,
        open_wheel(_write(tmp_path, parts), "zope.demo-1.0-py3-none-any.whl"),
    ):
        pass

    assert refused.value.fix == ('if you trust it all the same: builder_options={"allow_bad_record": ["zope-demo"]}',)
