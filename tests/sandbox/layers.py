"""Layers made with the standard library's tarfile, for the tests of the sandbox and of what stands on it."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable

from imagewright.oci.digest import DiffID
from imagewright.oci.media_types import LAYER_GZIP, LAYER_TAR
from imagewright.sandbox.rootfs import StoredLayer

Member = tuple[tarfile.TarInfo, bytes]


def member(
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    target: str = "",
    owner: int = 0,
    mtime: int = 0,
) -> Member:
    """One entry."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, target, len(content)
    info.uid = info.gid = owner
    info.mtime = mtime
    return info, content


def folder(name: str, mode: int = 0o755, *, owner: int = 0) -> Member:
    """A directory's entry."""
    return member(name, kind=tarfile.DIRTYPE, mode=mode, owner=owner)


def symlink(name: str, target: str) -> Member:
    """A symbolic link's entry."""
    return member(name, kind=tarfile.SYMTYPE, mode=0o777, target=target)


def hardlink(name: str, target: str) -> Member:
    """A hard link's entry."""
    return member(name, kind=tarfile.LNKTYPE, target=target)


def tar_of(members: Iterable[Member], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of these entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def layer_of_tar(tar: bytes, *, compress: bool = True, piece: int = 1000) -> StoredLayer:
    """A stored layer of a tar, its chunks ``piece`` bytes long."""
    stored = gzip.compress(tar, 1, mtime=0) if compress else tar

    def chunks() -> Iterable[bytes]:
        return (stored[start : start + piece] for start in range(0, len(stored), piece))

    diff_id = DiffID("sha256:" + hashlib.sha256(tar).hexdigest())
    return StoredLayer(diff_id, LAYER_GZIP if compress else LAYER_TAR, chunks)


def layer(*members: Member) -> StoredLayer:
    """A stored layer of these entries."""
    return layer_of_tar(tar_of(members), piece=1 << 16)
