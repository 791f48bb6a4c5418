"""A filter of system calls by which nothing in a sandbox waits for the disk."""

import platform
import struct
from functools import cache
from pathlib import Path
from typing import Final

# Linux, include/uapi/linux/bpf_common.h, filter.h and seccomp.h.
_LOAD: Final = 0x20  # a 32-bit word of struct seccomp_data
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000  # with the number 0: the call is not made, and says that it went well
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4

# AUDIT_ARCH_*, and the numbers of fsync, fdatasync, sync, syncfs and sync_file_range.
_CALLS: Final = {
    "x86_64": (0xC000003E, (74, 75, 162, 306, 277)),
    "aarch64": (0xC00000B7, (82, 83, 81, 267, 84)),
}
_ACTIONS: Final = Path("/proc/sys/kernel/seccomp/actions_avail")


@cache
def no_sync(machine: str = "", actions: Path = _ACTIONS) -> bytes:
    """The filter for ``machine`` (this one's, as uname says), as bwrap takes it; b"" where there is none.

    msync is left alone: programs ask by it whether memory is there. Programs for another architecture than the
    machine's own are not filtered, which costs time and nothing else.
    """
    found = _CALLS.get(machine or platform.machine())
    try:
        if found is None or "errno" not in actions.read_text().split():
            return b""
    except OSError:
        return b""
    architecture, numbers = found
    after = len(numbers)
    return b"".join(
        (
            _instruction(_LOAD, _ARCHITECTURE),
            _instruction(_JUMP_IF_EQUAL, architecture, otherwise=after + 1),
            _instruction(_LOAD, _NUMBER),
            *(_instruction(_JUMP_IF_EQUAL, number, then=after - at) for at, number in enumerate(numbers)),
            _instruction(_RETURN, _ALLOW),
            _instruction(_RETURN, _ERRNO),
        )
    )


def _instruction(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
