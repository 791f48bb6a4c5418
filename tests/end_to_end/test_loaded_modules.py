"""What a build loads: a module that it does not need costs every build milliseconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagewright.testing.engines import missing
from imagewright.testing.registry import docker_registry

pytestmark = [pytest.mark.network, pytest.mark.tool]

PROGRAM = """
import json, sys
from imagewright.cli.main import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=open(sys.argv[-1] + ".modules", "w"))
"""

NOT_NEEDED = (
    "configparser", "difflib", "httpx2", "importlib.metadata", "packaging", "platformdirs", "tarfile", "tomllib", "urllib.request", "zipfile",
    "imagewright.build.apt", "imagewright.build.commands", "imagewright.build.run_step", "imagewright.packages.conda.write", "imagewright.packages.pypi.resolve",
    "imagewright.sandbox.bubblewrap", "imagewright.sandbox.difference", "imagewright.store.registry.early",
)  # fmt: skip


def test_one_changed_file_loads_little(cache: Path, tmp_path: Path) -> None:
    """All but the user's files is known and pushed: no archive is opened, nothing is resolved, nothing is run."""
    if reason := missing("docker-registry"):
        pytest.skip(reason)
    (tmp_path / "source").mkdir()
    app = tmp_path / "app.py"
    app.write_text('from imagewright import ImageSpec\nimage = ImageSpec("demo", packages=["six"], copy=["source"])\n')
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGEWRIGHT_", "PIP_"))}
    environ |= {"IMAGEWRIGHT_CACHE_DIR": str(cache), "XDG_CONFIG_HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}

    with docker_registry(tmp_path) as place:
        for version in ("1", "2"):
            (tmp_path / "source" / "a.py").write_text(version + str(tmp_path))
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, "build", "--registry", place, str(app)],
                cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr

    loaded = set(json.loads((tmp_path / "app.py.modules").read_text()))
    assert not loaded.intersection(NOT_NEEDED)
