"""env, entrypoint, user and workdir hold where a task runs and where a command runs; what is said of the image is kept."""

import json
from pathlib import Path

import pytest
from tests.end_to_end.conftest import Run

pytestmark = pytest.mark.network

APP = r"""
from imagewright import ImageSpec, task, workflow

ODD = "it's \"so\"\n$HOME `x` \\ ü"

image = ImageSpec(
    "said",
    env={"ODD": ODD, "PATH": "/opt/x:$PATH"},
    labels={"org.opencontainers.image.source": "https://example.com/app", "team": "ml"},
    annotations={"com.example.run": "7"},
    user="1000:1000",
    workdir="/srv/app",
    entrypoint=["/usr/bin/env"],
    commands=['printf %s "$ODD" > /opt/odd'],
)


@task(container_image=image)
def look() -> bool:
    import os

    assert os.environ["ODD"] == ODD == open("/opt/odd", newline="").read()
    assert os.environ["PATH"].startswith("/opt/x:/opt/imagewright/bin:/usr/local/sbin:")
    assert (os.getcwd(), os.getuid()) == ("/srv/app", 1000)
    return True


@workflow
def main() -> bool:
    return look()
"""


def test_what_is_said_holds(imagewright: Run, tmp_path: Path) -> None:
    """In a task, in a command, and in the image's documents."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")

    ran = imagewright("run", "--container", "app.py", "main")
    shown = imagewright("--output", "json", "image", "inspect", "said")

    assert (ran.returncode, ran.stdout) == (0, "True\n"), ran.stderr
    one = json.loads(shown.stdout)["platforms"]["linux/amd64"]
    assert one["config"]["config"]["Labels"]["team"] == "ml"
    assert one["manifest"]["annotations"].keys() == {
        "org.opencontainers.image.source",
        "com.example.run",
        "dev.imagewright.spec",
        "dev.imagewright.lock",
    }
    assert "annotations  com.example.run=7" in imagewright("image", "inspect", "said").stdout
