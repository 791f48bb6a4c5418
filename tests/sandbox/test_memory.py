"""Memory limits: the files of both control group versions, and the fallback."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from imagewright.sandbox.memory import limit_memory


def test_version_1_below_our_own_group(tmp_path: Path) -> None:
    """With control groups version 1 the group is made below this process's own."""
    own = tmp_path / "memory" / "some" / "where"
    own.mkdir(parents=True)

    limit = limit_memory(1 << 20, cgroups=tmp_path, own="9:cpu:/\n4:memory:/some/where\n0::/\n")

    (made,) = own.iterdir()
    limit.admit(42)
    assert limit.kind == "cgroup"
    assert (made / "memory.limit_in_bytes").read_text() == "1048576"
    assert (made / "cgroup.procs").read_text() == "42"
    assert not limit.killed()
    (made / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert limit.killed()


def test_version_2_in_the_nearest_parent_that_hands_memory_down(tmp_path: Path) -> None:
    """With control groups version 2 a group needs a parent that gives its children the memory controller."""
    (tmp_path / "slice" / "session").mkdir(parents=True)
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    (tmp_path / "slice" / "cgroup.subtree_control").write_text("cpu\n")

    limit = limit_memory(1 << 20, cgroups=tmp_path, own="0::/slice/session\n")

    (made,) = tmp_path.glob("imagewright-*")
    assert (made / "memory.max").read_text() == "1048576"
    assert not limit.killed()
    (made / "memory.events").write_text("low 0\noom 2\noom_kill 2\n")
    assert limit.killed()


@pytest.mark.parametrize("noticed", [True, False])
def test_groups_of_dead_processes_are_removed(tmp_path: Path, noticed: bool) -> None:
    """A process that was killed outright leaves its group, and the next one removes it, noticed by its parent or not."""
    root = tmp_path / "memory"
    root.mkdir()
    with subprocess.Popen([sys.executable, "-ISc", ""], stdout=subprocess.PIPE) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        if noticed:
            ended.wait()
        (root / f"imagewright-{ended.pid}-0").mkdir()
        (root / "imagewright-1-0").mkdir()

        limit_memory(1 << 20, cgroups=tmp_path, own="4:memory:/\n")

    assert not (root / f"imagewright-{ended.pid}-0").exists()
    assert (root / "imagewright-1-0").exists()


def test_without_control_groups_each_process_is_limited(tmp_path: Path) -> None:
    """Where no group can be made, the kernel refuses memory to each process above the limit."""
    limit = limit_memory(64 << 20, cgroups=tmp_path, own="0::/\n")
    code = "import sys; sys.stdin.readline(); bytearray(128 << 20)"
    with subprocess.Popen(
        [sys.executable, "-ISc", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        limit.admit(process.pid)

        limits = resource.prlimit(process.pid, resource.RLIMIT_DATA)
        _, said = process.communicate("go\n", timeout=60)

    assert limit.kind == "process"
    assert limits == (64 << 20, 64 << 20)
    assert "MemoryError" in said


@pytest.mark.parametrize("own", ["", "nonsense\n", "0::/\n4:memory:/absent\n"])
def test_a_machine_without_any(tmp_path: Path, own: str) -> None:
    """What cannot be understood is taken for no control groups."""
    assert limit_memory(1, cgroups=tmp_path, own=own).kind == "process"
