"""An index, a target and a uv of their own for the tests of resolving."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.pylock import Pin
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.packages.target import Target
from imagewright.testing.index import PackageIndex


@pytest.fixture
def target() -> Target:
    return Target(Platform("linux", "amd64"), "3.11", "/usr/bin/python3.11", ("glibc", "2.36"))


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    made = PackageIndex()
    with made.serve():
        yield made


@pytest.fixture
def uv(tmp_path: Path, index: PackageIndex) -> Uv:
    """uv that knows of the test index alone, with no settings of this machine."""
    (tmp_path / "home").mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": str(tmp_path / "home"),
        "UV_DEFAULT_INDEX": index.url,
        "UV_HTTP_RETRIES": "0",
    }
    if "SSL_CERT_FILE" in os.environ:  # set and empty, it would be no certificates at all
        environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_FILE"]
    return Uv(tmp_path / "uv", environ)


@pytest.fixture
def pin() -> Pin:
    """For locks that leave nothing open."""

    def never(url: str, digest: Digest | None) -> InputFile:
        raise AssertionError(f"{url} has a digest and a size")

    return never
