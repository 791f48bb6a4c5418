"""`imagewright files`: what goes into an image, and what leaves others out."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from imagewright.oci.digest import digest_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]

APP = """
from imagewright import ImageSpec

base = ImageSpec("base", copy=["run.sh"])
image = ImageSpec("train", base_image=base, source_root="src", source_copy_mode="all")
"""


def project(folder: Path) -> Path:
    (folder / "src").mkdir()
    (folder / "src" / "a.py").write_text("a = 1\n")
    (folder / "src" / "b.csv").write_text("1\n")
    (folder / "src" / "c.py").symlink_to("a.py")
    (folder / "src" / ".dockerignore").write_text("*.csv\n.dockerignore\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "app.py").write_text(APP)
    return folder / "app.py"


def test_text_has_a_line_for_each(run: Run, tmp_path: Path) -> None:
    """For each image, those that others stand on included."""
    done = run("files", str(project(tmp_path)))

    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "base  1 file, 10 B\n"
        "       10 B  /root/run.sh  (program)\n"
        "\n"
        "train  2 files, 6 B\n"
        "        6 B  /root/a.py\n"
        "       link  /root/c.py -> a.py\n"
        "  left out:\n"
        "    .dockerignore  .dockerignore:2: .dockerignore\n"
        "    b.csv          .dockerignore:1: *.csv\n"
    )


def test_json_has_the_digests(run: Run, tmp_path: Path) -> None:
    """One object, for programs."""
    done = run("--output", "json", "files", str(project(tmp_path)))

    base, train = json.loads(done.stdout)["images"]
    assert base["files"][0]["executable"] is True
    assert train["files"][0] == {
        "path": "/root/a.py",
        "source": str(tmp_path / "src" / "a.py"),
        "digest": digest_of(b"a = 1\n"),
        "size": 6,
        "executable": False,
    }
    assert train["files"][1] == {"path": "/root/c.py", "target": "a.py"}
    assert train["left_out"][1] == {"path": "b.csv", "reason": ".dockerignore:1: *.csv"}


def test_a_file_that_is_not_there_is_an_error(run: Run, tmp_path: Path) -> None:
    """As it is when the image is built."""
    app = project(tmp_path)
    (tmp_path / "run.sh").unlink()

    done = run("files", str(app))

    assert done.returncode == 2
    assert "copy=['run.sh'] names nothing" in done.stderr
