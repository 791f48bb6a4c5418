"""The files that `init` and `run hello` write. Pure: names to texts."""

import re
from collections.abc import Mapping

EXAMPLE = '''\
"""An image, a task, a workflow."""

from imagewright import ImageSpec, task, workflow

# What the tasks import goes into their image: packages=["numpy", "pandas"].
image = ImageSpec(name="hello")


@task(container_image=image)
def squares(n: int) -> list[int]:
    return [number**2 for number in range(n)]


@workflow
def main(n: int = 5) -> list[int]:
    return squares(n=n)
'''

_APP = """\
from imagewright import ImageSpec, task, workflow

# What the tasks import is in requirements.txt. The registry is where the image goes; pyproject.toml overrides it.
image = ImageSpec(name="{image}", requirements="requirements.txt", registry="localhost:30000")


@task(container_image=image)
def squares(n: int) -> list[int]:
    import numpy as np

    return [int(number) for number in np.arange(n) ** 2]


@workflow
def main(n: int = 5) -> list[int]:
    return squares(n=n)
"""

_PYPROJECT = """\
[project]
name = "{project}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["imagewright"]

[tool.imagewright]
# Images stay in the local store. Remove the line, and they go to the registry that the ImageSpec names.
registry = "local"

[tool.pytest.ini_options]
pythonpath = ["."]
"""

_TEST = '''\
import pytest

from app import main


def test_main() -> None:
    """The workflow runs in this process, with the packages of this environment."""
    pytest.importorskip("numpy")

    assert main(n=5) == [0, 1, 4, 9, 16]
'''


def project_files(name: str) -> Mapping[str, str]:
    """The files of a new project, by path. ``name`` is that of its folder."""
    plain = image_name(name)
    return {
        "app.py": _APP.format(image=plain),
        "requirements.txt": "numpy==2.3.5\n",
        "pyproject.toml": _PYPROJECT.format(project=plain),
        "tests/test_app.py": _TEST,
    }


def image_name(name: str) -> str:
    """``name`` as a repository and project may be called: lower-case words with a dash between, or "app"."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "app"
