"""Layers that try to reach outside of their folder, and what their entries become."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from tests.sandbox.layers import Member, folder, hardlink, member, symlink, tar_of

from imagewright.sandbox.names import Refused
from imagewright.sandbox.removal import remove
from imagewright.sandbox.tar import BadTar, TarReader, TarSource
from imagewright.sandbox.unpack import OPAQUE_XATTR, Unpacked, unpack


def unpacked(path: Path, *members: Member) -> Unpacked:
    path.mkdir(exist_ok=True)
    return unpack(TarReader(TarSource([tar_of(members)])), str(path), keep_owners=os.geteuid() == 0)


def everything_below(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil", b"x")],
        [member("a/../../evil", b"x")],
        [folder("..")],
        [symlink("../evil", "x")],
        [hardlink("evil", "../secret")],
        [hardlink("evil", "/secret/../../secret")],
        [symlink("a", "secret"), hardlink("evil", "a/b")],
        [member("a", b""), member("a/evil", b"x"), hardlink("b", "nothing")],
        [member(".wh.", b"")],
        [member("a/.wh..", b"")],
        [member(".wh...", b"")],
        [member("./", b"x")],
        [member("x" * 256, b"")],
        [symlink("a", "b"), symlink("b", "a"), member("a/x", b"")],
    ],
)
def test_what_leads_outside_is_refused(tmp_path: Path, members: list[Member]) -> None:
    """Names and links of a layer cannot leave its folder, and nothing there was touched."""
    (tmp_path / "secret").write_text("secret")

    with pytest.raises((Refused, BadTar)):
        unpacked(tmp_path / "layer", *members)

    assert everything_below(tmp_path) - {f"layer/{name}" for name in everything_below(tmp_path / "layer")} == {
        "secret",
        "layer",
    }
    assert (tmp_path / "secret").stat().st_nlink == 1


@pytest.mark.parametrize("target", ["{outside}", "../outside", "../../../../../..{outside}"])
def test_entries_below_a_symlink_stay_inside(tmp_path: Path, target: str) -> None:
    """A symlink that leads outside on the host is followed as the container would follow it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    link = target.format(outside=outside)

    unpacked(tmp_path / "layer", symlink("a", link), member("a/evil", b"x"), hardlink("b", "a/evil"))

    assert list(outside.iterdir()) == []
    assert (tmp_path / "layer/b").read_bytes() == b"x"
    assert os.readlink(tmp_path / "layer/a") == link


def test_absolute_names_are_below_the_root(tmp_path: Path) -> None:
    """A leading slash means the image's root."""
    unpacked(tmp_path / "layer", member("/etc/motd", b"hello"))

    assert (tmp_path / "layer/etc/motd").read_bytes() == b"hello"


def test_devices_are_left_out(tmp_path: Path) -> None:
    """A layer cannot bring a device, not even 0:0, which would be a whiteout that it did not declare."""
    unpacked(
        tmp_path / "layer",
        member("null", kind=tarfile.CHRTYPE),
        member("disk", kind=tarfile.BLKTYPE),
        member("pipe", kind=tarfile.FIFOTYPE, mode=0o600),
    )

    assert everything_below(tmp_path / "layer") == {"pipe"}


def test_setuid_and_sticky_bits_are_kept(tmp_path: Path) -> None:
    """A step that changes the file or copies it keeps them; `Rootfs` lets nobody else reach the file."""
    unpacked(tmp_path / "layer", member("su", b"", mode=0o6755), folder("tmp", 0o1777))

    assert stat.S_IMODE((tmp_path / "layer/su").stat().st_mode) == 0o6755
    assert stat.S_IMODE((tmp_path / "layer/tmp").stat().st_mode) == 0o1777


def test_attributes_are_the_entry_s(tmp_path: Path) -> None:
    """Mode and time of files and directories are as the layer says, whatever the umask and the order."""
    members = [folder("d", 0o750), member("d/f", b"abc", mode=0o640, mtime=1234567), symlink("d/l", "f")]

    old = os.umask(0o077)
    try:
        made = unpacked(tmp_path / "layer", *members)
    finally:
        os.umask(old)

    f, d = (tmp_path / "layer/d/f").stat(), (tmp_path / "layer/d").stat()
    assert (stat.S_IMODE(f.st_mode), f.st_mtime, stat.S_IMODE(d.st_mode), d.st_mtime) == (0o640, 1234567, 0o750, 0)
    assert made == Unpacked(files=1, size=3, implied=("",))


def test_a_name_that_comes_again_replaces(tmp_path: Path) -> None:
    """The last entry of a name counts, whatever was there before, and a hard link keeps the old content."""
    unpacked(
        tmp_path / "layer",
        member("f", b"old"),
        hardlink("g", "f"),
        member("f", b"new"),
        folder("d"),
        member("d/x", b"x"),
        symlink("d", "e"),
        member("d/y", b"y"),
    )

    layer = tmp_path / "layer"
    assert (layer / "f").read_bytes() == b"new"
    assert (layer / "g").read_bytes() == b"old"
    assert everything_below(layer) == {"f", "g", "d", "e", "e/y"}


def test_whiteouts_are_overlayfs_s(tmp_path: Path) -> None:
    """A whiteout is device 0:0, an opaque directory has the attribute, and what the layer has itself stays."""
    made = unpacked(
        tmp_path / "layer",
        member("etc/.wh.gone"),
        folder("new"),
        member("new/.wh..wh..opq"),
        member("new/file", b"x"),
        member("both", b"x"),
        member(".wh.both"),
        member(".wh.again"),
        folder("again"),
        member(".wh..wh.plnk"),
    )

    layer = tmp_path / "layer"
    gone = (layer / "etc/gone").lstat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    assert os.getxattr(layer / "new", OPAQUE_XATTR) == b"y"
    assert (layer / "both").read_bytes() == b"x"
    assert made.opaque == ("again", "new")
    assert everything_below(layer) == {"etc", "etc/gone", "new", "new/file", "both", "again"}


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owners_are_kept_as_root(tmp_path: Path) -> None:
    """Root unpacks files with the owners that the layer says."""
    unpacked(tmp_path / "layer", folder("home", owner=1000), member("home/f", b"", owner=1000))

    assert ((tmp_path / "layer/home").stat().st_uid, (tmp_path / "layer/home/f").stat().st_gid) == (1000, 1000)


def test_remove_takes_what_forbids_it(tmp_path: Path) -> None:
    """A folder goes whole, with directories that nobody may write; links in it are not followed."""
    (tmp_path / "kept").mkdir()
    unpacked(tmp_path / "layer", folder("d", 0o500), member("d/f", b""), symlink("l", str(tmp_path / "kept")))

    remove([str(tmp_path / "layer"), str(tmp_path / "absent")])

    assert everything_below(tmp_path) == {"kept"}


def test_memory_does_not_grow_with_names(tmp_path: Path) -> None:
    """A long name in an extended header is bounded before it is read."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("d/" * 3000 + "f"))

    with pytest.raises(Refused, match="too long"):
        unpack(TarReader(TarSource([out.getvalue()])), str(tmp_path), keep_owners=False)
