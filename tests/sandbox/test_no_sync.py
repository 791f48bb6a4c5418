"""What a step forces to disk is not: its files are thrown away when it is cut short."""

import struct
from pathlib import Path

import pytest
from tests.sandbox.test_bubblewrap import Box, box, rootfs

from imagewright.sandbox.no_sync import no_sync

__all__ = ["box", "rootfs"]  # fixtures


def _run(program: bytes, architecture: int, number: int) -> int:
    """What the kernel would make of it: the value that is returned. Only the three instructions that are used are known."""
    at = 0
    loaded = 0
    while True:
        code, then, otherwise, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            loaded = {0: number, 4: architecture}[value]
        elif code == 0x15:
            at += then if loaded == value else otherwise
        else:
            assert code == 0x06
            return int(value)


@pytest.mark.parametrize(
    ("machine", "architecture", "calls"),
    [("x86_64", 0xC000003E, {74, 75, 162, 277, 306}), ("aarch64", 0xC00000B7, {81, 82, 83, 84, 267})],
)
def test_only_these_calls_are_not_made(tmp_path: Path, machine: str, architecture: int, calls: set[int]) -> None:
    """They return 0; all others are made, and so are all of another architecture."""
    (tmp_path / "actions").write_text("kill_process errno allow\n")

    program = no_sync(machine, tmp_path / "actions")

    assert {number for number in range(1000) if _run(program, architecture, number) == 0x00050000} == calls
    assert {_run(program, architecture, number) for number in range(1000)} == {0x00050000, 0x7FFF0000}
    assert {_run(program, 0x40000003, number) for number in range(1000)} == {0x7FFF0000}


def test_where_the_kernel_cannot_there_is_no_filter(tmp_path: Path) -> None:
    """An unknown machine, a kernel that does not know filters, or not this answer."""
    (tmp_path / "actions").write_text("kill_process allow\n")

    assert no_sync("x86_64", tmp_path / "actions") == b""
    assert no_sync("x86_64", tmp_path / "none") == b""
    assert no_sync("mips64") == b""


@pytest.mark.skipif(not no_sync(), reason="this kernel has no such filters, or the machine is unknown")
def test_forcing_to_disk_succeeds_and_does_nothing(box: Box) -> None:
    """fsync of what has no disk fails; in what is discarded it is not asked."""
    script = ("sh", "-c", "echo x | busybox dd of=/dev/null conv=fsync 2>/dev/null; echo $?; sync; echo $?")

    assert box(*script).out == ["1", "0"]
    assert box(*script, discarded=True).out == ["0", "0"]
