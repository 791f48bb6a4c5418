"""What a command changed, as a layer: the layer above the same folders shows what the command saw."""

import io
import os
import stat
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.sandbox.layers import folder, hardlink, layer, member, symlink

from imagewright.errors import BuildError, SandboxError
from imagewright.layer.read import entries
from imagewright.layer.writer import LayerWriter
from imagewright.oci.media_types import LAYER_GZIP
from imagewright.sandbox.bubblewrap import Command, mount_points, probe, run
from imagewright.sandbox.bwrap import STEP_CAPABILITIES, find_bubblewrap
from imagewright.sandbox.difference import Change, difference, last_contents, write_changes
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.sandbox.stack import Stack

DATA = (
    folder("data"),
    member("data/file", b"below", mode=0o640),
    member("data/other", b"other"),
    symlink("data/link", "file"),
    folder("data/sub", 0o2775, owner=1000),
    member("data/sub/deep", b"deep"),
    hardlink("data/twin", "data/other"),
)
LISTING = (
    "busybox find /data /opt /etc 2>/dev/null | busybox sort | while read f; do "
    'busybox stat -c \'%n %F %a %u %g %s %h\' "$f"; [ -L "$f" ] && busybox readlink "$f"; '
    '[ -f "$f" ] && busybox md5sum "$f"; done; true'
)


@dataclass
class Step:
    """What a script did: the changes by path, the layer of them, and what the script's world looked like at its end."""

    changes: dict[str, Change]
    layer: StoredLayer
    seen: list[str]
    stack: Stack


Run = Callable[..., Step]


@pytest.fixture
def rootfs(tmp_path: Path) -> Rootfs:
    try:
        (tmp_path / "empty").mkdir()
        probe(find_bubblewrap(), tmp_path / "empty")
    except SandboxError as error:
        pytest.skip(str(error))
    return Rootfs(tmp_path / "rootfs")


@pytest.fixture
def step(rootfs: Rootfs, busybox_layer: StoredLayer, tmp_path: Path) -> Run:
    """Runs a script as a step of a build does, on busybox and the layers that are given."""
    number = iter(range(100))

    def run_script(script: str, *layers: StoredLayer, ignored: tuple[str, ...] = ()) -> Step:
        stack = rootfs.prepare([busybox_layer, *layers])
        upper = tmp_path / f"overlay-{next(number)}"
        (upper / "upper").mkdir(parents=True)
        (upper / "upper").chmod(0o755)
        seen: list[str] = []
        command = Command(("/bin/sh", "-ec", f"{script}\n{LISTING}"), user="0", capabilities=STEP_CAPABILITIES)
        began = time.time()
        ended = run(find_bubblewrap(), stack, command, on_stdout=seen.append, on_stderr=seen.append, upper=upper)
        assert ended.exit_code == 0, seen
        ignored = (*mount_points(stack, command), *ignored)
        changes = list(difference(upper / "upper", stack, ignored=ignored, newest=began))
        path = upper / "layer"
        with path.open("wb") as out, LayerWriter(out) as writer:
            write_changes(changes, writer)
        made = StoredLayer(writer.diff_id, LAYER_GZIP, lambda: [path.read_bytes()])
        return Step({change.path: change for change in changes}, made, seen, stack)

    return run_script


SCRIPTS = {
    "nothing": "true",
    "a new file": "mkdir -p /opt/a/b; echo new > /opt/a/b/c; chmod 600 /opt/a/b/c",
    "another content": "echo changed > /data/file",
    "another mode": "chmod 1750 /data/file; chmod 1777 /data",
    "a file is gone": "rm /data/file /data/link",
    "a folder is gone": "rm -r /data/sub",
    "a folder is gone and there again": "rm -r /data/sub; mkdir /data/sub; echo x > /data/sub/new",
    "all is gone and there again": "rm -r /data; mkdir /data; mkdir /data/sub",
    "a file becomes a folder": "rm /data/file; mkdir /data/file; echo x > /data/file/x",
    "a folder becomes a file": "rm -r /data/sub; echo x > /data/sub",
    "a folder becomes a link": "rm -r /data/sub; busybox ln -s /opt /data/sub",
    "a link changes": "busybox ln -sfn other /data/link",
    "hard links": "mkdir -p /opt; echo x > /opt/b; busybox ln /opt/b /opt/a; busybox ln /opt/b /data/c",
    "renamed": "busybox mv /data/file /data/moved; busybox mv /data/sub /opt-sub 2>/dev/null || true",
    "names": "mkdir -p '/opt/a b'; echo x > '/opt/a b/\u00e4\u20ac'",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_layer_shows_what_the_command_saw(name: str, step: Run) -> None:
    """Names, kinds, modes, owners, links, numbers of names and contents are the same above the layer as at the command's end."""
    done = step(SCRIPTS[name], layer(*DATA))

    again = step("true", layer(*DATA), done.layer)

    assert again.seen == done.seen
    assert again.changes == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's sandbox has one user")
@pytest.mark.root
def test_owners_are_kept(step: Run) -> None:
    """A file that is given to another user is theirs in the layer, setgid and all."""
    done = step("echo x > /data/mine; busybox chown 1000:42 /data/mine; chmod 2755 /data/mine", layer(*DATA))

    assert (done.changes["data/mine"].uid, done.changes["data/mine"].gid) == (1000, 42)
    assert done.changes["data/mine"].mode == 0o2755


ACL = bytes.fromhex(
    "020000000100 0600 ffffffff0200 0400 e80300000400 0400 ffffffff1000 0600 ffffffff2000 0400 ffffffff"
)
"""user::rw-, user:1000:r--, group::r--, mask::rw-, other::r--. Source: Linux, include/uapi/linux/posix_acl_xattr.h."""


def test_attributes_of_files_and_folders_are_kept(step: Run, tmp_path: Path) -> None:
    """What users set and access control lists: of what is new, of what is below, and of folders in which nothing else changed."""
    marked, _ = folder("data/box")
    marked.pax_headers = {"SCHILY.xattr.user.mark": "below"}
    done = step(
        "mkdir /data/new; echo x > /data/new/file; touch /data/box/x; rm /data/box/x", layer(*DATA, (marked, b""))
    )
    upper = tmp_path / "overlay-0" / "upper" / "data"
    try:
        os.setxattr(upper / "new" / "file", "system.posix_acl_access", ACL)
    except OSError as error:
        pytest.skip(f"this file system has no access control lists: {error}")
    os.setxattr(upper / "new", "user.mark", b"new")
    os.setxattr(upper / "new", "user.overlay.opaque", b"n")

    changes = {change.path: change for change in difference(upper.parent, done.stack, newest=0)}

    assert dict(changes["data/new"].xattrs) == {"user.mark": b"new"}
    assert dict(changes["data/new/file"].xattrs) == {"system.posix_acl_access": ACL}
    assert "data/box" not in changes
    out = tmp_path / "layer"
    with out.open("wb") as stream, LayerWriter(stream) as writer:
        write_changes(list(changes.values()), writer)
    stored = StoredLayer(writer.diff_id, LAYER_GZIP, lambda: [out.read_bytes()])
    again = Path(Rootfs(tmp_path / "again").prepare([stored]).folders[0], "data/new")
    assert os.getxattr(again, "user.mark") == b"new"
    assert os.getxattr(again / "file", "system.posix_acl_access") == ACL


def test_only_what_changed_is_in_it(step: Run) -> None:
    """Touched files, files that are as before, and folders on the way are no changes; a folder comes before what is in it."""
    done = step("touch /data/file; echo -n other > /data/other; echo x > /data/sub/new", layer(*DATA))

    assert list(done.changes) == ["data", "data/sub", "data/sub/new"]
    assert stat.filemode(done.changes["data/sub"].mode | stat.S_IFDIR) == "drwxrwsr-x"


def test_equal_commands_give_equal_layers(step: Run) -> None:
    """Two runs at different times have one diff_id; a time that the command set itself is kept."""
    script = "echo x > /opt-x; busybox touch -d '2001-02-03 00:00:00' /opt-y; mkdir /opt-z; rm /data/file"

    one, other = step(script, layer(*DATA)), step(script, layer(*DATA))

    assert one.layer.diff_id == other.layer.diff_id
    assert (one.changes["opt-x"].mtime, one.changes["opt-y"].mtime) == (0, 981158400)


def test_whiteouts_are_files_of_their_own_name(step: Run) -> None:
    """As the image format has them: ``.wh.name``, and ``.wh..wh..opq`` in a folder that hides what was there."""
    done = step("rm /data/file; rm -r /data/sub; mkdir /data/sub; echo x > /data/gone; rm /data/gone", layer(*DATA))

    with entries(done.layer.chunks(), done.layer.media_type) as tar:
        names = [(entry.name, entry.type) for entry in tar]
    assert names == [
        ("data", tarfile.DIRTYPE),
        ("data/.wh.file", tarfile.REGTYPE),
        ("data/sub", tarfile.DIRTYPE),
        ("data/sub/.wh..wh..opq", tarfile.REGTYPE),
    ]


def test_mount_points_and_what_is_ignored_are_left_out(step: Run) -> None:
    """Neither what bwrap made for its mounts, nor caches; an emptied folder itself stays."""
    script = "mkdir -p /cache/deep /log; echo x > /cache/deep/x; echo x > /log/a; echo x > /log/b; ls /sys /etc/hosts"

    done = step(script, ignored=("cache/", "log/a"))

    assert sorted(done.changes) == ["cache", "log", "log/b"]


def test_devices_and_pipes_are_left_out(step: Run) -> None:
    """A layer of ours holds files, folders and links."""
    done = step("mkdir /opt; busybox mkfifo /opt/pipe; echo x > /opt/x")

    assert sorted(done.changes) == ["opt", "opt/x"]


@pytest.mark.parametrize("name", [".wh.file", "\udcff"])
def test_a_name_that_cannot_be_in_a_layer_is_an_error(tmp_path: Path, name: str) -> None:
    """It would be a whiteout, or not be text; it is said, not left out."""
    (tmp_path / name).write_text("x")

    with pytest.raises(BuildError) as refused:
        list(difference(tmp_path, Stack(()), newest=0))

    assert refused.value.code == "IW302"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives capabilities")
@pytest.mark.root
def test_capabilities_are_kept(tmp_path: Path) -> None:
    """They go into the tar as docker writes them, of a version that names no user namespace."""
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / "program").write_bytes(b"x")
    version_2 = bytes.fromhex("0100000200200000000000000000000000000000")
    os.setxattr(upper / "program", "security.capability", version_2)
    os.setxattr(upper / "program", "user.mine", b"\xff\n=1")

    out = tmp_path / "layer"
    with out.open("wb") as stream, LayerWriter(stream) as writer:
        write_changes(difference(upper, Stack(()), newest=time.time()), writer)

    with tarfile.open(out, encoding="utf-8", errors="surrogateescape") as tar:
        (entry,) = tar.getmembers()
    headers = {key: value.encode("utf-8", "surrogateescape") for key, value in entry.pax_headers.items()}
    assert headers == {"SCHILY.xattr.security.capability": version_2, "SCHILY.xattr.user.mine": b"\xff\n=1"}


def test_a_file_is_gone_once_it_is_read(tmp_path: Path) -> None:
    """The layer is the same as when nothing is removed; files with several names stay, since they are links of each other."""
    upper = tmp_path / "upper"
    (upper / "folder").mkdir(parents=True)
    (upper / "folder/one").write_bytes(b"x" * 3_000_000)
    (upper / "folder/two").write_bytes(b"y")
    os.link(upper / "folder/two", upper / "zwei")
    kept, taken = io.BytesIO(), io.BytesIO()

    with LayerWriter(kept) as writer:
        write_changes(difference(upper, Stack(()), newest=0), writer)
    with last_contents() as read, LayerWriter(taken) as writer:
        write_changes(difference(upper, Stack(()), newest=0), writer, read=read)

    assert taken.getvalue() == kept.getvalue()
    assert sorted(path.name for path in upper.rglob("*")) == ["folder", "two", "zwei"]
