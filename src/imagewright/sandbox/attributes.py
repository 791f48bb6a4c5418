"""What a layer says of an entry beside its content, as far as it is kept."""

import errno
import os
from collections.abc import Mapping
from dataclasses import field

from imagewright.dataclass import dataclass
from imagewright.sandbox.tar import Entry

CAPABILITY = b"security.capability"
ACCESS_LISTS = (b"system.posix_acl_access", b"system.posix_acl_default")


@dataclass(slots=True)
class Attributes:
    """Mode, owner, time (seconds since 1970) and extended attributes."""

    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict)


IMPLIED = Attributes(0o755, 0, 0, 0)
"""Those of a directory that has no entry."""


def is_kept(name: bytes) -> bool:
    """Whether an extended attribute of a layer's file is part of a container: not those that are overlayfs's own."""
    return name in (CAPABILITY, *ACCESS_LISTS) or (name.startswith(b"user.") and not name.startswith(b"user.overlay."))


def set_xattr(file: int | bytes, name: bytes, value: bytes) -> None:
    """Set an extended attribute, if it is kept, and this process and the file system can."""
    if not is_kept(name):
        return
    try:
        os.setxattr(file, name, value)
    except OSError as error:
        # Lists that name users whom this namespace does not have are EINVAL.
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EINVAL):
            raise


def attributes_of(entry: Entry) -> Attributes:
    """What an entry says."""
    return Attributes(entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)
