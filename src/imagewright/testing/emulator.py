"""``python -m imagewright.testing.emulator PROGRAM COMMAND...``: a command on a machine where PROGRAM runs arm64's programs.

PROGRAM is QEMU's, built for user programs and linked statically. Only the command sees it: since Linux 6.7 each user namespace
may have its own list of emulators. Ends as the command does, or with `CANNOT` where the kernel does not let that be.
"""

import ctypes
import os
import sys
from pathlib import Path

CANNOT = 77
BINFMT = "/proc/sys/fs/binfmt_misc"

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
# The head of an ELF file for arm64, and the bits of it that count, as Debian's qemu-user-static registers it.
_MAGIC = rb"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


def main(program: str, *command: str) -> int:
    """Run the command as root of a user namespace that has all ids of this one; for root alone."""
    apart, mapped = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _enter(apart[1], mapped[0], program)
            os.execvp(command[0], command)
        finally:
            os._exit(CANNOT)
    os.close(apart[1])
    if os.read(apart[0], 1):
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text("0 0 65536")
        os.write(mapped[1], b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _enter(apart: int, mapped: int, program: str) -> None:
    libc = ctypes.CDLL(None)
    if libc.unshare(_NEW_USER | _NEW_MOUNTS):
        raise OSError("no namespaces")
    os.write(apart, b"x")
    os.read(mapped, 1)
    os.setgid(0)
    os.setuid(0)
    if libc.mount(b"none", BINFMT.encode(), b"binfmt_misc", 0, None):
        raise OSError("no list of emulators for a namespace")
    Path(BINFMT, "register").write_bytes(
        b":".join((b"", b"arm64", b"M", b"", _MAGIC, _MASK, os.fsencode(program), b"F"))
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
