"""Whether this machine runs programs of a platform: its own ones, or with an emulator that its kernel was told of."""

import os
from collections.abc import Iterable
from pathlib import Path

from imagewright.oci.platform import Platform

BINFMT = Path("/proc/sys/fs/binfmt_misc")

_MACHINES = {"amd64": 62, "arm64": 183, "ppc64le": 21, "s390x": 22, "riscv64": 243, "386": 3, "arm": 40}
"""``e_machine`` of an ELF file by architecture. Source: System V ABI, "ELF Header"."""

_BIG_ENDIAN = frozenset({"s390x"})
_32_BITS = frozenset({"386", "arm"})


def this_platform() -> Platform:
    """The platform of this machine."""
    return Platform.parse(f"linux/{os.uname().machine}")


def runnable(platforms: Iterable[Platform], *, binfmt: Path = BINFMT, here: Platform | None = None) -> Platform | None:
    """The one of these platforms that runs here best: this machine's own, else the first that is emulated."""
    here = here or this_platform()
    able = [one for one in platforms if not cannot_run(one, binfmt=binfmt, here=here)]
    return min(able, key=lambda one: (one != here, not here.runs(one)), default=None)


def cannot_run(platform: Platform, *, binfmt: Path = BINFMT, here: Platform | None = None) -> str:
    """Why programs of ``platform`` do not run here, or "" when they do.

    An emulator counts when it is registered with the flag F: the kernel has it open then, so it need not be in the
    image. Source: Linux, Documentation/admin-guide/binfmt-misc.rst; qemu-user-static registers so.
    """
    here = here or this_platform()
    if (platform.os, platform.architecture) == (here.os, here.architecture):
        return ""
    if platform.os != here.os or platform.architecture not in _MACHINES:
        return f"this machine is {here}"
    header = _elf_header(platform.architecture)
    for entry in _entries(binfmt):
        if _matches(entry, header):
            if "F" in entry.get("flags:", ""):
                return ""
            return (
                f"this machine is {here}, and its emulator {entry.get('interpreter', '')} is registered without the flag F, "
                "so it is not found inside a sandbox"
            )
    return f"this machine is {here}, and no emulator for {platform.architecture} is registered in {binfmt}"


def _entries(binfmt: Path) -> list[dict[str, str]]:
    """The enabled entries of binfmt_misc, each by its words: ``interpreter``, ``flags:``, ``offset``, ``magic``, ``mask``."""
    try:
        files = [file for file in sorted(binfmt.iterdir()) if file.name not in ("register", "status")]
        texts = [file.read_text(errors="replace") for file in files]
    except OSError:
        return []
    return [
        {word: rest for word, _, rest in (line.partition(" ") for line in text.splitlines())}
        for text in texts
        if text.startswith("enabled\n")
    ]


def _matches(entry: dict[str, str], header: bytes) -> bool:
    try:
        magic = bytes.fromhex(entry["magic"])
        mask = bytes.fromhex(entry["mask"]) if entry.get("mask") else b"\xff" * len(magic)
        start = header[int(entry.get("offset", "0")) :][: len(magic)]
    except (KeyError, ValueError):
        return False
    return len(start) == len(magic) and all(
        a & m == b & m for a, b, m in zip(start, magic, mask.ljust(len(magic), b"\xff"), strict=False)
    )


def _elf_header(architecture: str) -> bytes:
    """The first 20 bytes of an executable."""
    order = "big" if architecture in _BIG_ENDIAN else "little"
    bits = 1 if architecture in _32_BITS else 2
    ident = b"\x7fELF" + bytes([bits, 2 if order == "big" else 1, 1]) + bytes(9)
    kind, machine = 2, _MACHINES[architecture]
    return ident + (
        kind.to_bytes(2, "big") + machine.to_bytes(2, "big")
        if order == "big"
        else kind.to_bytes(2, "little") + machine.to_bytes(2, "little")
    )
