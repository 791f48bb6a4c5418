"""What a command sees in the sandbox, what it cannot do, and that nothing is left of it."""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.layers import folder, layer, member
from tests.sandbox.ordinary import OrdinaryUser

from imagewright.errors import SandboxError
from imagewright.sandbox.bubblewrap import Bind, CannotStart, Command, Ended, probe, run
from imagewright.sandbox.bwrap import Bubblewrap, find_bubblewrap
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
from imagewright.sandbox.stack import Stack
from imagewright.sandbox.users import UnknownUser

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can have several users' files")


@dataclass
class Ran:
    ended: Ended
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)


class Box:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.bubblewrap = find_bubblewrap()

    def __call__(self, *argv: str, upper: Path | None = None, **options: Any) -> Ran:
        out: list[str] = []
        err: list[str] = []
        command = Command(argv, **options)
        ended = run(self.bubblewrap, self.stack, command, on_stdout=out.append, on_stderr=err.append, upper=upper)
        return Ran(ended, out, err)


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Rootfs:
    made = Rootfs(tmp_path_factory.mktemp("rootfs"))
    try:
        probe(find_bubblewrap(), tmp_path_factory.mktemp("empty"))
    except SandboxError as error:
        pytest.skip(str(error))
    return made


@pytest.fixture(scope="module")
def box(rootfs: Rootfs, busybox_layer: StoredLayer) -> Box:
    return Box(rootfs.prepare([busybox_layer]))


@pytest.fixture(scope="module")
def python_box(rootfs: Rootfs, python_layer: StoredLayer) -> Box:
    return Box(rootfs.prepare([python_layer]))


def test_output_and_exit_code(box: Box) -> None:
    """Both streams and the exit code are the command's."""
    ran = box("sh", "-c", "echo out; echo err >&2; echo bwrap: me too >&2; exit 3")

    assert (ran.out, ran.err) == (["out"], ["err", "bwrap: me too"])
    assert (ran.ended.exit_code, ran.ended.signal) == (3, None)


def test_a_signal_is_told_from_an_exit_code(box: Box) -> None:
    """A command that a signal ended is reported with the signal."""
    ran = box("sh", "-c", "kill -TERM $$")

    assert (ran.ended.exit_code, ran.ended.signal) == (143, signal.SIGTERM)


def test_the_environment_is_the_one_given(box: Box) -> None:
    """Nothing of the host's environment comes in, not even by way of the first process."""
    os.environ["IMAGEWRIGHT_TEST_CANARY"] = "canary"
    try:
        ran = box("sh", "-c", "env; cat /proc/1/environ /proc/*/cmdline", env={"A": "1 2", "HOME": "/x"}, network=False)
    finally:
        del os.environ["IMAGEWRIGHT_TEST_CANARY"]

    assert {"A=1 2", "HOME=/x", "HOSTNAME=imagewright"} <= set(ran.out)
    assert "canary" not in "".join(ran.out)


def test_the_working_directory_is_made(box: Box) -> None:
    """A workdir that the image does not have is made, as docker does."""
    ran = box("sh", "-c", "pwd; touch here", workdir="/a/b")

    assert ran.out == ["/a/b"]
    assert ran.ended.exit_code == 0


def test_what_is_written_is_gone(box: Box) -> None:
    """The layers stay as they are, and the next run does not see what the last one wrote."""
    box("sh", "-c", "echo x > /etc/new; busybox rm /etc/passwd; echo y > /tmp/z")
    ran = box("ls", "/etc", "/tmp")

    assert "passwd" in ran.out
    assert not {"new", "z"} & set(ran.out)


def test_a_kept_upper_has_the_difference(box: Box, tmp_path: Path) -> None:
    """With an upper folder the difference stays, and another run goes on from it."""
    box("sh", "-c", "echo x > /etc/new", upper=tmp_path)
    ran = box("cat", "/etc/new", upper=tmp_path)

    assert ran.out == ["x"]
    assert (tmp_path / "upper/etc/new").read_text() == "x\n"


def test_binds(box: Box, tmp_path: Path) -> None:
    """A bound folder can be written only when that was said."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in/x").write_text("hello\n")
    binds = (Bind(tmp_path / "in", "/data/in"), Bind(tmp_path / "out", "/data/out", writable=True))

    ran = box("sh", "-c", "cat /data/in/x | busybox tee /data/out/y; echo > /data/in/z", binds=binds)

    assert ran.out == ["hello"]
    assert (tmp_path / "out/y").read_text() == "hello\n"
    assert "Read-only" in ran.err[0]
    assert not (tmp_path / "in/z").exists()


def test_mount_points_never_lead_out_of_the_image(rootfs: Rootfs, busybox_layer: StoredLayer, tmp_path: Path) -> None:
    """An image whose /data is a link to a place of the host gets its mount inside; nothing is made on the host."""
    outside = tmp_path / "outside"
    outside.mkdir()
    evil = layer(
        member("data", kind=b"2", target=f"/oldroot{outside}"), member("etc/hosts", kind=b"2", target="/oldroot/x")
    )
    (tmp_path / "in").mkdir()

    box = Box(rootfs.prepare([busybox_layer, evil]))
    ran = box("ls", "/data", binds=(Bind(tmp_path / "in", "/data/below"),))

    assert ran.out == ["below"]
    assert list(outside.iterdir()) == []
    assert not Path("/x").exists()


def test_processes_are_its_own(box: Box) -> None:
    """The command sees no process of the host, and no descriptor of ours but the three standard ones."""
    secret = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        ran = box(
            "sh", "-c", "for n in $(busybox seq 0 63); do busybox readlink /proc/$$/fd/$n; done; cd /proc; echo [0-9]*"
        )
    finally:
        os.close(secret)

    assert len(ran.out[:-1]) == 3
    assert len(ran.out[-1].split()) <= 3


def test_a_background_process_ends_with_the_command(box: Box) -> None:
    """What a command leaves behind is ended, and does not keep the run waiting."""
    ran = box("sh", "-c", "sleep 1000 & echo done")

    assert ran.out == ["done"]


def test_a_time_limit_ends_everything(box: Box) -> None:
    """At the end of its time the command and its children are gone."""
    ran = box("sh", "-c", "sleep 1000 & sleep 1000", timeout_seconds=0.3)

    assert ran.ended.timed_out


def test_no_network_when_it_is_off(box: Box) -> None:
    """Without network there is only a loopback interface; with it the host's."""
    off = box("cat", "/proc/net/dev", network=False)
    on = box("cat", "/proc/net/dev")

    assert [line.split(":")[0].strip() for line in off.out[2:]] == ["lo"]
    assert len(on.out) >= len(off.out)


def test_name_servers_are_the_host_s(box: Box) -> None:
    """The host's resolv.conf is there, also where the image's is a link to nothing."""
    ran = box("cat", "/etc/resolv.conf")

    assert "\n".join(ran.out).strip() == Path("/etc/resolv.conf").read_text().strip()


@as_root
@pytest.mark.root
def test_root_cannot_reach_the_host_by_proc(box: Box) -> None:
    """Where the sandbox's root is the host's root, the kernel's settings are read-only, and no right is left to change that."""
    before = Path("/proc/sys/kernel/core_pattern").read_text()

    ran = box(
        "sh",
        "-c",
        f"echo '{before.strip()}' > /proc/sys/kernel/core_pattern; busybox mount -o remount,rw /proc/sys; id -u",
    )

    assert ran.out == ["0"]
    assert len(ran.err) == 2
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


@as_root
@pytest.mark.root
def test_root_becomes_the_image_s_user(python_box: Box) -> None:
    """The image's user has its ids and its home, and cannot write what is root's."""
    script = """
import os
print(os.getuid(), os.getgid(), os.getgroups(), os.path.expanduser("~"), os.getcwd())
open("/home/user/x", "w").close(); open("/tmp/x", "w").close(); open("/dev/shm/x", "w").close()
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapPrm", "NoNewPrivs")): print(line.split()[1].lstrip("0"))
open("/etc/passwd", "a")
"""
    ran = python_box("python3", "-c", script, user="user", python="/usr/bin/python3", workdir="/home/user")

    assert ran.out == ["1000 1000 [1234] /home/user /home/user", "", "", "1"]
    assert "Permission denied: '/etc/passwd'" in ran.err[-1]


def test_without_python_the_user_is_shown(box: Box) -> None:
    """In a user namespace the command has the image user's ids, whoever that is on the host."""
    ran = box("sh", "-c", "id -u; id -g; echo $HOME; touch /tmp/x", user="user:4711")

    assert ran.out == ["1000", "4711", "/home/user"]
    assert ran.ended.exit_code == 0


def test_what_the_image_does_not_have(box: Box) -> None:
    """A command or user that is missing is told from a failure of the sandbox."""
    with pytest.raises(CannotStart, match="nope"):
        box("nope")
    with pytest.raises(UnknownUser, match="nobody"):
        box("true", user="nobody")


def test_a_sandbox_that_is_not_allowed(box: Box, tmp_path: Path) -> None:
    """When bwrap itself fails, the error says that the machine does not allow it, in bwrap's words."""
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2; exit 1\n")
    refusing.chmod(0o755)

    with pytest.raises(SandboxError, match="does not let imagewright make a sandbox") as caught:
        probe(Bubblewrap(refusing, bundled=False), tmp_path)

    assert caught.value.code == "IW601"
    assert "setting up uid map: Permission denied" in caught.value.why[0]


def test_python_s_locks_work(python_box: Box) -> None:
    """Shared memory is there for whoever the user is."""
    ran = python_box("python3", "-c", "import multiprocessing; print(multiprocessing.Lock())", user="1000:1000")

    assert ran.out[0].startswith("<Lock")


@as_root
@pytest.mark.root
def test_memory_over_the_limit_is_recognised(python_box: Box) -> None:
    """The kernel's kill is told from any other; nothing is left of the control group."""
    ran = python_box("python3", "-c", "x = bytearray(300 << 20)", memory_bytes=64 << 20)
    fine = python_box("python3", "-c", "x = bytearray(8 << 20)", memory_bytes=64 << 20)

    if ran.ended.memory_limit != "cgroup":
        pytest.skip("no control group can be made here")
    assert ran.ended.out_of_memory
    assert (fine.ended.out_of_memory, fine.ended.exit_code) == (False, 0)
    assert list(Path("/sys/fs/cgroup").rglob(f"imagewright-{os.getpid()}-*")) == []


@pytest.mark.parametrize("count", [2, 40, 110])
def test_many_layers(rootfs: Rootfs, busybox_layer: StoredLayer, count: int) -> None:
    """An image of any number of layers runs, and shows the topmost of what it has."""
    layers = [layer(folder("d"), member(f"d/{number}"), member("d/last", b"%d\n" % number)) for number in range(count)]

    ran = Box(rootfs.prepare([busybox_layer, *layers]))("sh", "-c", "cat /d/last; busybox ls /d | busybox wc -l")

    assert [line.strip() for line in ran.out] == [str(count - 1), str(count + 1)]


_KILLED = """
import sys
from pathlib import Path
from imagewright.sandbox.bubblewrap import Command, run
from imagewright.sandbox.bwrap import find_bubblewrap
from imagewright.sandbox.stack import Stack
say = lambda line: print(line, flush=True)
run(find_bubblewrap(), Stack(tuple(sys.argv[2:])), Command(("sh", "-c", "echo up; exec sleep " + sys.argv[1])), on_stdout=say, on_stderr=say)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_the_parent_ends_nothing_is_left(box: Box, how: signal.Signals) -> None:
    """However our process ends, the sandbox's processes, and with them its mounts, are gone."""
    marker = str(10**9 + os.getpid() * 100 + how)
    command = [sys.executable, "-c", _KILLED, marker, *box.stack.folders]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert processes_of(process.pid)

        process.send_signal(how)
        rest = process.stdout.read()
        process.wait(30)

    assert rest == ""
    for left in processes_with(marker):  # the kernel ends them by itself, a moment after our process
        with suppress(ProcessLookupError):
            ended = os.pidfd_open(int(left))
            select.select([ended], [], [], 30)
            os.close(ended)
    assert processes_with(marker) == []
    assert str(box.stack.folders[0]) not in Path("/proc/mounts").read_text()


def processes_of(parent: int) -> list[int]:
    return [
        int(pid) for task in Path(f"/proc/{parent}/task").iterdir() for pid in (task / "children").read_text().split()
    ]


def processes_with(argument: str) -> list[str]:
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().split(b"\0")
            status = (path / "stat").read_text().rpartition(") ")[2]
        except OSError:
            continue
        if argument.encode() in line and not status.startswith("Z"):
            found.append(path.name)
    return found


_AS_USER = """
import json, os, pickle, sys
from pathlib import Path
from imagewright.sandbox.bubblewrap import Bind, CannotStart, Command, run
from imagewright.sandbox.bwrap import find_bubblewrap
from imagewright.sandbox.rootfs import Rootfs, StoredLayer
data = Path("layer.tar").read_bytes()
stored = StoredLayer(sys.argv[1], sys.argv[2], lambda: [data])
rootfs = Rootfs(Path("rootfs"))
stack = rootfs.prepare([stored])
Path("out").mkdir(exist_ok=True)
results = {}
def go(name, *argv, **options):
    out, err = [], []
    ended = run(find_bubblewrap(), stack, Command(argv, **options), on_stdout=out.append, on_stderr=err.append)
    results[name] = [ended.exit_code, ended.timed_out, ended.memory_limit, out, err]
go("user", "python3", "-c", "import os; print(os.getuid(), os.getgid(), os.environ['HOME']); open('/home/user/x','w'); open('/tmp/x','w'); open('/dev/shm/x','w'); open('/out/x','w')",
   user="user", binds=(Bind(Path("out"), "/out", writable=True),), python="/usr/bin/python3")
go("root", "python3", "-c", "import os; print(os.getuid()); os.chown('/etc/passwd', 0, 0)")
go("workdir", "python3", "-c", "import os; print(os.getcwd())", workdir="/a/b")
go("time", "python3", "-c", "import signal; signal.pause()", timeout_seconds=0.5)
go("memory", "python3", "-c", "bytearray(512 << 20)", memory_bytes=256 << 20)
go("offline", "python3", "-c", "print(len(open('/proc/net/dev').readlines()))", network=False)
results["owner"] = Path("out/x").stat().st_uid == os.getuid()
results["size"] = rootfs.size() > 1000
results["pruned"] = rootfs.prune() > 1000
print(json.dumps(results))
"""


def test_an_ordinary_user_can_do_it_too(ordinary_user: OrdinaryUser, python_layer: StoredLayer) -> None:
    """With user namespaces, and no other right, everything works but the sum of several processes' memory."""
    (ordinary_user.home / "layer.tar").write_bytes(b"".join(python_layer.chunks()))

    ran = ordinary_user.run(_AS_USER, python_layer.diff_id, python_layer.media_type)
    if "IW601" in ran.stdout or "does not let imagewright" in ran.stdout:
        pytest.skip("this machine gives ordinary users no sandbox")

    assert ran.returncode == 0, ran.stdout
    results = json.loads(ran.stdout)
    assert results["user"] == [0, False, "", ["1000 1000 /home/user"], []]
    assert results["root"] == [0, False, "", ["0"], []]
    assert results["workdir"] == [0, False, "", ["/a/b"], []]
    assert results["time"][1] is True
    assert results["memory"][:3] in ([1, False, "process"], [137, False, "cgroup"])
    assert results["offline"][3] == ["3"]
    assert (results["owner"], results["size"], results["pruned"]) == (True, True, True)
