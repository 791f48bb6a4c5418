"""No false refusals: the wheels of 126 much used packages all become layers.

It downloads some 260 MB of whatever is newest, so it runs only when IMAGEWRIGHT_TEST_POPULAR names a folder to keep
them in.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagewright.errors import ImagewrightError
from imagewright.layer.planned import InputFile, NothingProven
from imagewright.oci.digest import digest_of
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.wheel_layer import WheelLayer
from imagewright.packages.target import Target

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif("IMAGEWRIGHT_TEST_POPULAR" not in os.environ, reason="IMAGEWRIGHT_TEST_POPULAR names no folder"),
]

PACKAGES = """
aiobotocore aiohttp aiosignal annotated-types ansible-core anyio argcomplete async-timeout attrs awscli azure-core
bcrypt beautifulsoup4 black blinker boto3 botocore cachetools certifi cffi charset-normalizer click cmake colorama
contourpy cryptography cycler decorator distlib docutils et-xmlfile exceptiongroup filelock flask fonttools frozenlist
fsspec google-api-core google-auth googleapis-common-protos greenlet grpcio grpcio-status gunicorn h11 httpcore httpx
idna importlib-metadata iniconfig ipykernel itsdangerous jinja2 jmespath joblib jsonschema jupyter-core kiwisolver
lxml markupsafe matplotlib more-itertools msgpack multidict mypy mypy-extensions ninja notebook numpy oauthlib
openpyxl opentelemetry-api opentelemetry-sdk packaging pandas paramiko pathspec pillow pip platformdirs pluggy
protobuf psutil pyasn1 pybind11 pycparser pydantic pydantic-core pygments pyjwt pynacl pyparsing pytest
python-dateutil pytz pyyaml redis requests requests-oauthlib rich rsa ruff s3fs s3transfer scikit-learn scipy
setuptools six sniffio soupsieve sqlalchemy threadpoolctl tomli tomlkit tqdm typing-extensions tzdata urllib3 uv
virtualenv websocket-client werkzeug wheel yarl zipp zope.interface
"""

TARGET = Target(
    Platform("linux", "amd64"),
    f"{sys.version_info.major}.{sys.version_info.minor}",
    "/usr/bin/python3",
    ("glibc", "2.36"),
)


class _Nowhere(NothingProven):
    """Takes layers, and finds wheels where pip put them."""

    def write(self, data: bytes | memoryview, /) -> None:
        """Forget it."""

    def path(self, file: InputFile) -> Path:
        """Its URL is its path."""
        return Path(file.url.removeprefix("file://"))


def test_all_become_layers() -> None:
    """Not one is refused."""
    folder = Path(os.environ["IMAGEWRIGHT_TEST_POPULAR"])
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
    ]
    for package in PACKAGES.split():
        subprocess.run([*pip, package], check=True, capture_output=True, timeout=300)
    refused: list[str] = []
    wheels = sorted(folder.glob("*.whl"))

    for wheel in wheels:
        file = InputFile(f"file://{wheel}", digest_of(wheel.read_bytes()), wheel.stat().st_size)
        try:
            name, version = wheel.name.split("-")[:2]
            WheelLayer((LockedWheel(name, version, file),), TARGET).write(_Nowhere(), _Nowhere())
        except ImagewrightError as error:
            refused.append(str(error))

    assert refused == []
    assert len(wheels) == len(PACKAGES.split()) >= 100
