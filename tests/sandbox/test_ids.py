"""Which ids a namespace of an ordinary user can have, as the machine's files say."""

import os
import pwd
from pathlib import Path

import pytest

from imagewright.sandbox.ids import find_ids, single

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with both programs on its PATH, and nothing lent."""
    for name in ("newuidmap", "newgidmap"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_all_that_is_lent_follows_root(machine: Path) -> None:
    """By name or by number, one range above the other; others' lines and broken ones count for nothing."""
    (machine / "subuid").write_text(f"other:5:5\n{ME}:100000:65536\n{os.geteuid()}:300000:10\n{ME}:x:1\n\n")
    (machine / "subgid").write_text(f"{ME}:200000:1000\n")

    ids = find_ids(etc=machine, search=str(machine))

    assert ids.users == ((0, os.geteuid(), 1), (1, 100000, 65536), (65537, 300000, 10))
    assert ids.groups == ((0, os.getegid(), 1), (1, 200000, 1000))
    assert (ids.several, ids.lent, ids.name) == (True, True, "100000.65536-300000.10-200000.1000")


@pytest.mark.parametrize("missing", ["subuid", "subgid", "newuidmap", "newgidmap"])
def test_without_any_of_it_there_is_root_alone(machine: Path, missing: str) -> None:
    """Half a map would give files to the wrong group."""
    for name in ("subuid", "subgid"):
        (machine / name).write_text(f"{ME}:100000:65536\n")
    (machine / missing).unlink()

    ids = find_ids(etc=machine, search=str(machine))

    assert ids == single(os.geteuid(), os.getegid())
    assert (ids.several, ids.name) == (False, "single")
