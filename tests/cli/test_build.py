"""`imagewright build` and `lock` with real packages, as a person runs them."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

APP = """\
from imagewright import ImageSpec, task, workflow

# A comment, so that the image is in line 4.
image = ImageSpec(name="demo", packages=["iniconfig==2.0.0"], env={"RUN": "first"})


@task(container_image=image)
def version() -> str:
    from importlib.metadata import version
    return version("iniconfig")


@workflow
def main() -> str:
    return version()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir(exist_ok=True)
    (tmp_path / "work" / "app.py").write_text(APP)
    return tmp_path / "work"


def test_a_file_without_an_image_says_how_to_make_one(run: Run, folder: Path) -> None:
    """And exit code 2."""
    (folder / "empty.py").write_text("x = 1\n")

    done = run("build", "empty.py")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "error[IW101]: empty.py has no image to build"
    assert "ImageSpec(" in done.stderr


def test_a_field_that_cannot_be_built_stops_before_anything_is_done(run: Run, folder: Path) -> None:
    """It is never passed over in silence."""
    (folder / "app.py").write_text(APP.replace("env={", 'builder_options={"nonsense": 1}, env={'))

    done = run("build", "app.py")

    assert (done.returncode, done.stdout) == (3, "")
    assert "error[IW204]" in done.stderr
    assert "nonsense" in done.stderr
    assert "--> app.py:4" in done.stderr


def test_a_builder_that_is_not_there_is_named(run: Run, folder: Path) -> None:
    """With those that are, and exit code 6."""
    done = run("build", "--builder", "unknown", "app.py")

    assert done.returncode == 6
    assert "error[IW602]: there is no builder 'unknown' here" in done.stderr
    assert "native" in done.stderr


def test_a_registry_that_cannot_be_asked_is_an_error(run: Run, folder: Path) -> None:
    """Nothing listens at that port: it is never assumed that the image is there."""
    done = run("build", "--registry", "localhost:1", "app.py")

    assert (done.returncode, done.stdout) == (5, "")
    assert "error[IW501]: nothing answers at localhost:1" in done.stderr
    assert "--registry local" in done.stderr


def test_what_is_not_here_is_not_asked_for_offline(run: Run, folder: Path) -> None:
    """An empty cache and --offline is an error that says so, exit code 3."""
    done = run("build", "--offline", "app.py")

    assert (done.returncode, done.stdout) == (3, "")
    assert "--offline" in done.stderr


def test_a_registry_elsewhere_is_not_asked_offline(run: Run, folder: Path) -> None:
    """One on this machine is: it needs no network."""
    elsewhere = run("build", "--offline", "--registry", "registry.example.com", "app.py")
    here = run("build", "--offline", "--registry", "localhost:1", "app.py")

    assert elsewhere.returncode == 3
    assert "error[IW205]: --offline forbids to ask registry.example.com for " in elsewhere.stderr
    assert "help: keep the image in the local store: --registry local" in elsewhere.stderr
    assert "error[IW501]" in here.stderr


@pytest.mark.network
def test_build_prints_the_reference_alone_and_the_transcript(run_here: Run, folder: Path) -> None:
    """The first build makes the image, the second finds it; both print the same digest."""
    first = run_here("build", "--force", "app.py")
    second = run_here("build", "app.py")

    assert first.returncode == 0, first.stderr
    assert re.fullmatch(r"demo@sha256:[0-9a-f]{64}\n", first.stdout)
    assert second.stdout == first.stdout
    lines = first.stderr.splitlines()
    assert re.fullmatch(
        r"demo  linux/amd64  built again +app\.py:4", next(line for line in lines if line.startswith("demo"))
    )
    assert any(re.match(r"  resolved   1 package for Python 3\.11, glibc 2\.36", line) for line in lines)
    assert any(re.match(r"  iniconfig  2\.0\.0 ", line) for line in lines)
    assert re.match(r"Built demo in \d+\.\d+s: \d+ of \d+ layers reused", lines[-1])
    assert re.fullmatch(r"demo  unchanged +\d\.\d+s", second.stderr.splitlines()[-1])


@pytest.mark.network
def test_dry_run_tells_what_would_be_done_and_does_nothing(run_here: Run, folder: Path) -> None:
    """Before and after the image is there."""
    unbuilt = APP.replace('"first"', f'"{folder}"')  # a name that no other run of this test has used
    (folder / "app.py").write_text(unbuilt)

    before = json.loads(run_here("build", "--dry-run", "--output", "json", "app.py").stdout)["images"][0]
    text = run_here("build", "--dry-run", "app.py")
    run_here("build", "app.py")
    after = json.loads(run_here("build", "--dry-run", "--output", "json", "app.py").stdout)["images"][0]

    assert (before["exists"], after["exists"]) == (False, True)
    assert "iniconfig 2.0.0" in [layer["title"] for layer in before["layers"]]
    assert {layer["how"] for layer in after["layers"]} == {"known"}
    assert text.returncode == 0, text.stderr
    assert "to download in all" in text.stdout


@pytest.mark.network
def test_offline_works_when_all_is_here(run_here: Run, folder: Path) -> None:
    """The same digest, from a warm cache, without any network."""
    online = run_here("build", "--force", "app.py")
    offline = run_here("build", "--force", "--offline", "app.py")

    assert offline.returncode == 0, offline.stderr
    assert offline.stdout == online.stdout


@pytest.mark.network
def test_a_lock_file_is_written_kept_and_renewed(run_here: Run, folder: Path) -> None:
    """Written once, unchanged while it answers, written again when the requirements are others."""
    first, again = run_here("lock", "app.py"), run_here("lock", "app.py")
    (folder / "app.py").write_text(APP.replace("iniconfig==2.0.0", "iniconfig==1.1.1"))
    built = run_here("build", "app.py")
    renewed = run_here("lock", "app.py")

    path = folder / "imagewright.lock" / "demo-linux-amd64.pylock.toml"
    assert first.returncode == 0, first.stderr
    assert "Wrote imagewright.lock/demo-linux-amd64.pylock.toml  1 package" in first.stderr
    assert "Unchanged imagewright.lock/demo-linux-amd64.pylock.toml" in again.stderr
    assert built.returncode == 3
    assert "imagewright lock app.py" in built.stderr
    assert "Wrote " in renewed.stderr
    assert [(each["name"], each["version"]) for each in tomllib.loads(path.read_text())["packages"]] == [
        ("iniconfig", "1.1.1")
    ]


@pytest.mark.network
def test_lock_show_prints_and_writes_nothing(run_here: Run, folder: Path) -> None:
    """The lock is TOML on stdout."""
    done = run_here("lock", "--show", "app.py")

    assert done.returncode == 0, done.stderr
    assert tomllib.loads(done.stdout)["packages"][0]["name"] == "iniconfig"
    assert not (folder / "imagewright.lock").exists()


@pytest.mark.network
def test_a_package_that_does_not_exist_is_told_with_its_line(run_here: Run, folder: Path) -> None:
    """Exit code 3, the caret under the name."""
    (folder / "app.py").write_text(APP.replace("iniconfig==2.0.0", "iniconfig-that-is-not-there"))

    done = run_here("build", "app.py")

    assert (done.returncode, done.stdout) == (3, "")
    lines = done.stderr[done.stderr.index("error[") :].splitlines()
    assert lines[0] == "error[IW201]: there is no package 'iniconfig-that-is-not-there' on the package index"
    assert lines[1].startswith("  --> app.py:4  ")
    assert lines[1][lines[2].index("^") : lines[2].rindex("^") + 1] == "iniconfig-that-is-not-there"
