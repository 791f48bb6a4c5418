"""Unpacking once, in several processes, and merging layers that cannot be stacked."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sandbox.layers import folder, layer, layer_of_tar, member, symlink, tar_of

from imagewright.errors import IntegrityError, StoreError
from imagewright.oci.digest import DiffID, hex_of
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.sandbox.stack import OPTIONS_LIMIT, options_size
from imagewright.store.layout import Layout
from imagewright.testing.images import make_image


def test_a_layer_is_unpacked_once(tmp_path: Path) -> None:
    """A second use, by another object as by another process, does not read the layer again."""
    original = layer(member("a", b"x"))
    opened: list[int] = []

    def chunks() -> list[bytes]:
        opened.append(1)
        return [b"".join(original.chunks())]

    counted = StoredLayer(original.diff_id, original.media_type, chunks)

    first = Rootfs(tmp_path).prepare([counted, counted])
    second = Rootfs(tmp_path).prepare([counted])

    assert opened == [1]
    assert set(first.folders) == set(second.folders) == {str(tmp_path / hex_of(original.diff_id))}


def test_a_layer_that_an_image_has_twice_is_in_the_stack_once(tmp_path: Path) -> None:
    """At its last place, where it hides what came between: overlayfs takes no folder twice."""
    twice, between = layer(member("a", b"twice")), layer(member("a", b"between"), member("b", b"b"))

    stack = Rootfs(tmp_path).prepare([twice, between, twice])

    assert stack.folders == tuple(str(tmp_path / hex_of(one.diff_id)) for one in (between, twice))
    assert (stack.read("/a"), stack.read("/b")) == (b"twice", b"b")


@pytest.mark.parametrize("compress", [True, False])
def test_a_layer_that_is_not_its_diff_id_is_refused(tmp_path: Path, compress: bool) -> None:
    """A layer is checked while it is unpacked, and nothing of it stays."""
    wrong = DiffID("sha256:" + "0" * 64)
    made = layer_of_tar(tar_of([member("a", b"x")]), compress=compress)

    with pytest.raises(IntegrityError) as caught:
        Rootfs(tmp_path).prepare([StoredLayer(wrong, made.media_type, made.chunks)])

    assert caught.value.code == "IW510"
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


@pytest.mark.parametrize("at", [3, 400, 3000])
def test_a_damaged_layer_is_told_by_its_store(tmp_path: Path, at: int) -> None:
    """Also when the damage is no gzip or no tar before all of it was read: the store has to put it out of the way."""
    store = Layout(tmp_path / "store")
    made = make_image({"a": os.urandom(2000), "b": os.urandom(2000)})
    made.push_to(store)
    blob = next(iter(made.blobs))
    data = bytearray(store.path(blob).read_bytes())
    data[at] ^= 0x41
    store.path(blob).write_bytes(data)

    with pytest.raises(IntegrityError, match="has other bytes than its digest says"):
        Rootfs(tmp_path / "rootfs").prepare(
            [StoredLayer(DiffID("sha256:" + "0" * 64), blob.media_type, lambda: store.fetch(blob))]
        )

    assert not store.exists(blob)


def test_a_hostile_layer_is_refused(tmp_path: Path) -> None:
    """The error names the layer and the entry, and nothing of the layer stays."""
    hostile = layer(member("fine", b"x"), member("../evil", b"x"))

    with pytest.raises(IntegrityError, match=r"\.\./evil: the name leads upwards") as caught:
        Rootfs(tmp_path / "rootfs").prepare([hostile])

    assert caught.value.code == "IW303"
    assert {path.name for path in tmp_path.rglob("*")} <= {"rootfs", "locks", hex_of(hostile.diff_id)[-2:]}


def test_what_a_killed_process_left_is_made_anew(tmp_path: Path) -> None:
    """Half a folder is never taken for a whole one."""
    made = layer(folder("d", 0o500), member("d/a", b"x"))
    for name in (hex_of(made.diff_id), hex_of(made.diff_id) + ".part"):
        (tmp_path / name / "half").mkdir(parents=True)

    stack = Rootfs(tmp_path).prepare([made])

    assert stack.read("/d/a") == b"x"
    assert not stack.exists("/half")
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_of_an_earlier_boot_is_made_anew(tmp_path: Path) -> None:
    """After a power cut a folder may lack content that was never written to disk, so it does not count."""
    made = layer(member("a", b"x"))
    record = tmp_path / f"{hex_of(made.diff_id)}.json"
    Rootfs(tmp_path).prepare([made])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record.write_text(record.read_text().replace(boot, "an earlier boot"))
    (tmp_path / hex_of(made.diff_id) / "a").write_bytes(b"")

    stack = Rootfs(tmp_path).prepare([made])

    assert stack.read("/a") == b"x"


def test_a_folder_that_was_forced_to_disk_outlives_the_boot(tmp_path: Path) -> None:
    """A use a minute later forces what was not written by then, and says so."""
    made = layer(member("a", b"x"))
    record = tmp_path / f"{hex_of(made.diff_id)}.json"
    Rootfs(tmp_path).prepare([made])
    os.utime(record, (1, 1))

    Rootfs(tmp_path).prepare([made])

    assert '"boot": ""' in record.read_text()


def test_nobody_else_may_look_in(tmp_path: Path) -> None:
    """Directories that all may write exist in images; on the host they are out of others' reach."""
    Rootfs(tmp_path / "rootfs").prepare([layer(folder("tmp", 0o1777))])

    assert stat.S_IMODE((tmp_path / "rootfs").stat().st_mode) == 0o700


def test_many_layers_fit_into_the_mount_options(tmp_path: Path) -> None:
    """Whatever the number, the options fit into a page; what was merged shows what the layers show above each other."""
    layers = [
        layer(
            folder("d"),
            member(f"d/{number}", b"%d" % number),
            member("d/last", b"%d" % number),
            member(f".wh.w{number}"),
        )
        for number in range(110)
    ]

    for count in (1, 2, 30, 60, 110):
        stack = Rootfs(tmp_path).prepare(layers[:count])

        assert options_size(stack.folders) <= OPTIONS_LIMIT
        assert stack.read("/d/last") == b"%d" % (count - 1)
        assert all(stack.read(f"/d/{number}") == b"%d" % number for number in range(count))
    assert len(stack.folders) > 10


def test_a_directory_that_is_only_implied_keeps_what_is_below(tmp_path: Path) -> None:
    """A layer with tmp/x and no entry for tmp does not change tmp's mode."""
    stack = Rootfs(tmp_path).prepare([layer(folder("tmp", 0o1777)), layer(member("tmp/x", b"x"))])

    assert stat.S_IMODE(os.stat(stack.folders[-1] + "/tmp").st_mode) == 0o1777
    assert stack.read("/tmp/x") == b"x"


def test_an_opaque_root_hides_all_below(tmp_path: Path) -> None:
    """overlayfs merges roots whatever they say, so the layers below are left out."""
    stack = Rootfs(tmp_path).prepare([layer(member("a", b"x")), layer(member(".wh..wh..opq"), member("b", b"x"))])

    assert not stack.exists("/a")
    assert stack.exists("/b")


def test_merged_layers_replace_kinds(tmp_path: Path) -> None:
    """In a merged folder a file may replace a directory, a directory a link, and the other way round."""
    lower = layer(folder("d"), member("d/x", b"x"), symlink("l", "d"), member("f", b"f"), folder("o"), member("o/x"))
    upper = layer(
        member("d", b"now a file"),
        folder("l"),
        member("l/y", b"y"),
        folder("f"),
        folder("o"),
        member("o/.wh..wh..opq"),
        member("implied/x"),
    )
    many = [layer(member(f"n{number}")) for number in range(60)]

    merged = Path(Rootfs(tmp_path).prepare([lower, upper, *many]).folders[0])

    assert merged.name.startswith("chain-")
    assert (merged / "d").read_bytes() == b"now a file"
    assert (merged / "l/y").read_bytes() == b"y"
    assert not (merged / "l").is_symlink()
    assert (merged / "f").is_dir()
    assert list((merged / "o").iterdir()) == []


def test_size_and_prune(tmp_path: Path) -> None:
    """Size counts the files' bytes; prune keeps what it is told to, and waits for nobody who runs."""
    kept, gone = layer(member("a", b"x" * 100)), layer(folder("d", 0o500), member("d/b", b"x" * 10))
    rootfs = Rootfs(tmp_path / "rootfs")
    assert (rootfs.size(), rootfs.prune()) == (0, 0)
    rootfs.prepare([kept, gone])
    assert rootfs.size() == 110

    with rootfs.lease():
        assert rootfs.prune([kept.diff_id]) == 0
    freed = rootfs.prune([kept.diff_id])

    assert (freed, rootfs.size()) == (10, 100)
    assert {path.name.partition(".")[0] for path in rootfs.folder.iterdir()} == {hex_of(kept.diff_id), "lease", "locks"}
    assert rootfs.prepare([kept, gone]).read("/d/b") == b"x" * 10


_PREPARE = """
import sys
from pathlib import Path
from imagewright.sandbox.rootfs import Rootfs
from tests.sandbox.layers import layer, member
layers = [layer(member(f"f{number}", b"x" * 5000)) for number in range(60)]
print("ready", flush=True)
sys.stdin.readline()
for count in (40, 60):
    stack = Rootfs(Path(sys.argv[1])).prepare(layers[:count])
    assert all(stack.read(f"/f{number}") == b"x" * 5000 for number in range(count))
"""


def test_several_processes_at_once(tmp_path: Path) -> None:
    """Processes that want the same layers at the same time all get whole ones."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _PREPARE, str(tmp_path)]
    processes = [
        subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        start(process)
    ends = [process.communicate(timeout=60)[0] for process in processes]

    assert ends == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4


def start(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_derived_folder_is_made_once_and_not_waited_for(tmp_path: Path) -> None:
    """What is derived is there or not; while somebody makes it, others go on without it."""
    rootfs = Rootfs(tmp_path)
    seen: list[str | None] = []

    def make(folder: str) -> int:
        seen.append(Rootfs(tmp_path).derived("bytecode-ab", make))
        (Path(folder) / "made").write_text("once")
        return 4

    absent = rootfs.derived("bytecode-ab")
    made = rootfs.derived("bytecode-ab", make)
    again = rootfs.derived("bytecode-ab", make)

    assert (absent, seen) == (None, [None])
    assert made == again == str(tmp_path / "bytecode-ab")
    assert (rootfs.size(), rootfs.prune(), rootfs.derived("bytecode-ab")) == (4, 4, None)


def test_a_derived_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A failure while it is made is the caller's, and the next one makes it anew."""

    def fail(folder: str) -> int:
        (Path(folder) / "half").write_text("")
        raise KeyError("no")

    with pytest.raises(KeyError):
        Rootfs(tmp_path).derived("bytecode-ab", fail)

    assert Rootfs(tmp_path).derived("bytecode-ab") is None
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


def test_no_right_to_write_says_so(tmp_path: Path) -> None:
    """A folder that cannot be made is an error with a way out."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError) as caught:
        Rootfs(tmp_path / "file" / "rootfs").prepare([layer(member("a"))])

    assert "IMAGEWRIGHT_CACHE_DIR" in str(caught.value)
