"""Programs of another platform run when the kernel has an emulator for them, and only then."""

from pathlib import Path

import pytest

from imagewright.oci.platform import Platform
from imagewright.sandbox.emulation import cannot_run, runnable, this_platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")

# As qemu-user-static of Debian 12 registers them.
AARCH64 = """enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
S390X = """enabled
interpreter /usr/libexec/qemu-binfmt/s390x-binfmt-P
flags: POCF
offset 0
magic 7f454c4602020100000000000000000000020016
mask ffffffffffffff00fffffffffffffffffffeffff
"""
PYTHON = "enabled\ninterpreter /usr/bin/python3.11\nflags: \noffset 0\nmagic a70d0d0a\n"


@pytest.fixture
def binfmt(tmp_path: Path) -> Path:
    """A folder as the kernel shows it, with what a machine without emulators has."""
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "python3.11").write_text(PYTHON)
    return tmp_path


def test_this_machines_own_programs_run(tmp_path: Path) -> None:
    """Nothing is looked up for that; the variant does not matter."""
    assert cannot_run(this_platform(), binfmt=tmp_path / "absent") == ""
    assert cannot_run(Platform("linux", "amd64", "v3"), binfmt=tmp_path / "absent", here=AMD64) == ""


def test_others_need_an_emulator(binfmt: Path) -> None:
    """The reason says what this machine is, and where an emulator was looked for."""
    why = cannot_run(ARM64, binfmt=binfmt, here=AMD64)

    assert why == f"this machine is linux/amd64, and no emulator for arm64 is registered in {binfmt}"
    assert cannot_run(ARM64, binfmt=binfmt / "absent", here=AMD64)
    assert cannot_run(Platform("windows", "amd64"), binfmt=binfmt, here=AMD64) == "this machine is linux/amd64"


@pytest.mark.parametrize(("name", "text", "architecture"), [("a", AARCH64, "arm64"), ("b", S390X, "s390x")])
def test_an_emulator_counts_by_what_it_takes(binfmt: Path, name: str, text: str, architecture: str) -> None:
    """Its name does not matter; the head of the program that it is registered for does."""
    (binfmt / name).write_text(text)

    assert cannot_run(Platform("linux", architecture), binfmt=binfmt, here=AMD64) == ""
    assert cannot_run(Platform("linux", "riscv64"), binfmt=binfmt, here=AMD64)


def test_one_that_is_off_or_outside_of_the_sandbox_does_not_count(binfmt: Path) -> None:
    """Without the flag F the kernel looks for the emulator in the image."""
    (binfmt / "qemu-aarch64").write_text(AARCH64.replace("enabled", "disabled"))
    assert "no emulator" in cannot_run(ARM64, binfmt=binfmt, here=AMD64)

    (binfmt / "qemu-aarch64").write_text(AARCH64.replace("POCF", "PO"))
    assert "without the flag F" in cannot_run(ARM64, binfmt=binfmt, here=AMD64)


def test_of_several_its_own_runs_best(binfmt: Path) -> None:
    """An emulated one only where there is no other, and none where none runs."""
    (binfmt / "qemu-aarch64").write_text(AARCH64)

    assert runnable([ARM64, AMD64], binfmt=binfmt, here=AMD64) == AMD64
    assert runnable([Platform("linux", "amd64", "v3"), ARM64, AMD64], binfmt=binfmt, here=AMD64) == AMD64
    assert runnable([Platform("linux", "riscv64"), ARM64], binfmt=binfmt, here=AMD64) == ARM64
    assert runnable([Platform("linux", "riscv64")], binfmt=binfmt, here=AMD64) is None


def test_garbage_is_no_emulator(binfmt: Path) -> None:
    """Whatever a file there holds."""
    for number, text in enumerate(
        ["", "enabled\nmagic zz\n", "enabled\nmagic 7f45\noffset x\n", "enabled\nflags: F\n"]
    ):
        (binfmt / str(number)).write_text(text)

    assert "no emulator" in cannot_run(ARM64, binfmt=binfmt, here=AMD64)
