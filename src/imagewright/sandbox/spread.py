"""Where on the disk unpacked layers lie."""

import fcntl
import os
import sys
from contextlib import suppress
from typing import Final

# Linux, include/uapi/linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL, where a long has eight bytes.
_GET: Final = 0x80086601
_SET: Final = 0x40086602
_TOP: Final = 0x00020000


def spread(folder: str) -> None:
    """Let ext4 give each folder that is made in ``folder`` a place of its own on the disk; elsewhere nothing happens.

    ext4 puts a folder near the one that it is made in; without a journal, as on some virtual machines, it passes over
    inodes that were freed within some minutes. Where layers are unpacked and removed again and again, each new file is then
    found behind thousands of these: 4,800 files take 1.4 s of processor time instead of 0.1 s. chattr(1) calls the
    attribute "T", the top of a directory hierarchy. Source: Linux, fs/ext4/ialloc.c, find_inode_bit.
    """
    with suppress(OSError):  # another file system, or another user's folder
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            flags = int.from_bytes(fcntl.ioctl(descriptor, _GET, bytes(4)), sys.byteorder)
            if not flags & _TOP:
                fcntl.ioctl(descriptor, _SET, (flags | _TOP).to_bytes(4, sys.byteorder))
        finally:
            os.close(descriptor)
