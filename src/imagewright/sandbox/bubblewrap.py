"""Runs a command on a root filesystem of stacked folders, in namespaces of its own, with bubblewrap."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.oci.config import DEFAULT_PATH
from imagewright.sandbox.bwrap import CAPABILITIES, Bubblewrap, not_allowed, privileged
from imagewright.sandbox.memory import MemoryLimit, limit_memory
from imagewright.sandbox.no_sync import no_sync
from imagewright.sandbox.places import SECRETS
from imagewright.sandbox.process import OnLine, ProcessEnd, Stop, Ward, run_process
from imagewright.sandbox.reports import Status, Talk
from imagewright.sandbox.stack import Stack
from imagewright.sandbox.users import User, find_user

# What root on the host could use in /proc to reach the host: docker hides and protects the same (its runtime spec's
# maskedPaths and readonlyPaths). bwrap 0.11 leaves /proc/sys to whoever is the host's root, whatever capabilities it has.
_PROTECTED = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
_HIDDEN = ("kcore", "keys", "timer_list", "sched_debug")

# Runs in the image's Python. The working directory may be one that only the user can enter.
_SWITCH = (
    "import os,sys;u,g,m,d=sys.argv[1:5];os.setgroups([int(x) for x in m.split(',') if x]);os.setgid(int(g));"
    "os.setuid(int(u));os.chdir(d);os.execvp(sys.argv[5],sys.argv[5:])"
)


class CannotStart(Exception):
    """The sandbox was made, but the image does not have the command, or it is not a program."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A host's file or folder that is seen in the sandbox at ``target``."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and with what around it.

    ``user`` is as in an image's config. With ``network`` the host's network, name servers and hosts are used.
    ``python`` is an interpreter in the image, by which the host's root becomes a ``user`` that is not root: then files
    have their owners. Without one, and for an ordinary user of the host, the host's user is shown as that user, and so
    are all files of the image that it owns. ``capabilities`` are what root may do inside. ``secrets`` are files that it
    alone can read below `SECRETS`, by name: they are in memory, and in no command line. ``discarded``: when it is cut
    short, all that it wrote is thrown away, so that nothing has to reach the disk (`no_sync`).
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    workdir: str = "/"
    user: str = ""
    binds: tuple[Bind, ...] = ()
    network: bool = True
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    python: str = ""
    capabilities: tuple[str, ...] = CAPABILITIES
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: with ``exit_code``, or by ``signal`` (then it is 128 and the signal's number).

    ``out_of_memory``: the kernel ended a process because of the memory limit. ``memory_limit`` is how the limit was set:
    ``cgroup``, ``process`` (see `limit_memory`) or "".
    """

    exit_code: int
    signal: signal.Signals | None
    timed_out: bool
    stopped: bool
    out_of_memory: bool
    memory_limit: str
    seconds: float


def run(
    bubblewrap: Bubblewrap,
    stack: Stack,
    command: Command,
    *,
    on_stdout: OnLine,
    on_stderr: OnLine,
    upper: Path | None = None,
    stop: Stop | None = None,
) -> Ended:
    """Run a command on the folders of ``stack``, and wait for its end.

    What it writes goes into memory and is gone at the end, or with ``upper`` into the folder ``upper/upper``, which
    stays. When this process dies, however, the sandbox's processes and mounts are gone with it.

    Raises:
        CannotStart: The image does not have the command.
        UnknownUser: The image does not have the user.
        SandboxError: IW601, the machine does not let it be made.
    """
    user = find_user(command.user, stack.read("/etc/passwd"), stack.read("/etc/group"))
    limit = limit_memory(command.memory_bytes) if command.memory_bytes is not None else None
    try:
        return _run(bubblewrap, stack, command, user, limit, Talk(on_stdout, on_stderr), upper, stop)
    finally:
        if limit is not None:
            limit.close()


def command_line(
    bubblewrap: Bubblewrap,
    stack: Stack,
    command: Command,
    user: User,
    *,
    upper: Path | None = None,
    session: bool = True,
) -> tuple[list[str], list[int]]:
    """The program to start with its arguments, and the descriptors that it needs, which the caller closes.

    ``session``: without a terminal that it could type into.
    """
    root = privileged()
    argv = list(command.argv)
    if _switches(command, user, root):
        groups = ",".join(map(str, user.groups))
        switch = [_SWITCH, str(user.uid), str(user.gid), groups, stack.resolve(command.workdir)]
        argv = [command.python, "-I", "-S", "-c", *switch, *argv]
    options = arguments(stack, command, user, root=root, upper=upper)
    if session:
        options.append("--new-session")
    secrets = {name: _in_memory("imagewright-secret", value) for name, value in command.secrets.items()}
    options += _secret_options(stack, secrets)
    filters = [_in_memory("imagewright-filter", no_sync())] if command.discarded and no_sync() else []
    options += [part for descriptor in filters for part in ("--seccomp", str(descriptor))]
    # The options go through a file: on the command line, the environment's secrets would be for all users to see.
    file = _in_memory("imagewright-options", b"".join(os.fsencode(option) + b"\0" for option in options))
    return [str(bubblewrap.path), "--args", str(file), "--", *argv], [file, *secrets.values(), *filters]


def _secret_options(stack: Stack, secrets: Mapping[str, int]) -> list[str]:
    """A folder in memory with these files, from descriptors."""
    if not secrets:
        return []
    target = stack.resolve(SECRETS)
    options = [*_folders(stack, os.path.dirname(target)), "--perms", "0700", "--tmpfs", target]
    for name, descriptor in secrets.items():
        options += ["--perms", "0400", "--file", str(descriptor), f"{target}/{name}"]
    return [*options, "--remount-ro", target]


def _in_memory(name: str, data: bytes) -> int:
    """A file without a place, to be read from its start."""
    file = os.memfd_create(name)
    with os.fdopen(os.dup(file), "wb") as out:
        out.write(data)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def arguments(stack: Stack, command: Command, user: User, *, root: bool, upper: Path | None = None) -> list[str]:
    """bwrap's options. ``root``: by the right of the host's root, else in a user namespace."""
    # On the host's network only the host's own name can be looked up, and programs do look up their own name.
    hostname = os.uname().nodename if command.network else "imagewright"
    options = [part for folder in stack.folders for part in ("--overlay-src", folder)]
    if upper is None:
        options += ["--tmp-overlay", "/"]
    else:
        options += ["--overlay", str(upper / "upper"), str(upper / "work"), "/"]
    options += ["--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm", "--proc", "/proc"]
    if root:
        for name in _PROTECTED:
            options += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
        for name in _HIDDEN:
            if os.path.exists(f"/proc/{name}"):
                options += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    options += ["--ro-bind-try", "/sys", stack.resolve("/sys")]
    if not stack.exists("/tmp"):
        options += ["--perms", "1777", "--tmpfs", "/tmp"]
    if command.network:
        for path in ("/etc/resolv.conf", "/etc/hosts"):
            if os.path.exists(path):
                target = stack.resolve(path)
                options += [*_folders(stack, os.path.dirname(target)), "--ro-bind", os.path.realpath(path), target]
    else:
        options += ["--unshare-net"]
    for bind in command.binds:
        target = stack.resolve(bind.target)
        options += _folders(stack, os.path.dirname(target))
        options += ["--bind" if bind.writable else "--ro-bind", str(bind.source), target]
    options += [
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--hostname",
        hostname,
    ]
    options += ["--die-with-parent", "--cap-drop", "ALL"]
    switches = _switches(command, user, root)
    if not root or (user.uid and not switches):
        options += ["--unshare-user", "--uid", str(user.uid), "--gid", str(user.gid)]
    capabilities = command.capabilities if not user.uid else ("CAP_SETUID", "CAP_SETGID") if switches else ()
    for capability in capabilities:
        options += ["--cap-add", capability]
    options += ["--clearenv"]
    for name, value in {"PATH": DEFAULT_PATH, "HOME": user.home, "HOSTNAME": hostname, **command.env}.items():
        options += ["--setenv", name, value]
    workdir = stack.resolve(command.workdir)
    options += _folders(stack, workdir)
    return [*options, "--chdir", "/" if _switches(command, user, root) else workdir]


def mount_points(stack: Stack, command: Command) -> tuple[str, ...]:
    """What bwrap makes in the upper folder for its mounts and is no work of the command: paths without leading slash."""
    targets = [stack.resolve(path) for path in ("/etc/resolv.conf", "/etc/hosts", "/sys")]
    targets += [stack.resolve(bind.target) for bind in command.binds]
    targets += [stack.resolve(SECRETS)] if command.secrets else []
    targets += ["/dev", "/proc", *([] if stack.exists("/tmp") else ["/tmp"])]
    made = []
    for target in targets:
        first = target
        while first != "/" and not stack.exists(os.path.dirname(first)):
            first = os.path.dirname(first)
        made.append(first.lstrip("/"))
    return tuple(sorted(set(made)))


def _folders(stack: Stack, path: str) -> list[str]:
    """Options that make the folders on the way to ``path`` (resolved) which the image lacks: bwrap lets only root in."""
    options: list[str] = []
    while not stack.exists(path):
        options = ["--perms", "0755", "--dir", path, *options]
        path = os.path.dirname(path)
    return options


def _switches(command: Command, user: User, root: bool) -> bool:
    """Whether the host's root becomes another user inside."""
    return bool(root and user.uid and command.python)


def _run(
    bubblewrap: Bubblewrap,
    stack: Stack,
    command: Command,
    user: User,
    limit: MemoryLimit | None,
    talk: Talk,
    upper: Path | None,
    stop: Stop | None,
) -> Ended:
    if upper is not None:
        (upper / "upper").mkdir(parents=True, exist_ok=True)
        (upper / "work").mkdir(exist_ok=True)
    line, pass_fds = command_line(bubblewrap, stack, command, user, upper=upper)
    status_read, status_write = os.pipe2(os.O_CLOEXEC)
    more = ["--json-status-fd", str(status_write)]
    pass_fds.append(status_write)
    release = -1
    if limit is not None:
        blocked, release = os.pipe2(os.O_CLOEXEC)
        more += ["--block-fd", str(blocked)]
        pass_fds.append(blocked)
    ward = Ward()
    status = Status(limit, release, ward)
    try:
        end = run_process(
            [line[0], *more, *line[1:]],
            on_stdout=talk.on_stdout,
            on_stderr=talk.on_stderr,
            pass_fds=pass_fds,
            environment={},  # the sandbox can read that of its first process, which is bwrap
            watch={status_read: status.feed},
            timeout_seconds=command.timeout_seconds,
            stop=stop,
            ward=ward,
        )
    finally:
        if release >= 0:
            os.close(release)
    return _ended(end, status.exit_code, limit, talk)


def _ended(end: ProcessEnd, exit_code: int | None, limit: MemoryLimit | None, talk: Talk) -> Ended:
    out_of_memory = limit is not None and limit.killed()
    if exit_code is None and not (end.timed_out or end.stopped or out_of_memory):
        said = talk.held
        if any("execvp" in line for line in said):
            raise CannotStart(said[-1].removeprefix("bwrap: "))
        raise not_allowed(said[-1] if said else f"bwrap ended with {end.status}", root=privileged())
    talk.release()
    code = 128 + signal.SIGKILL if exit_code is None else exit_code
    killed_by = signal.Signals(code - 128) if code - 128 in signal.valid_signals() else None
    kind = limit.kind if limit is not None else ""
    return Ended(code, killed_by, end.timed_out, end.stopped, out_of_memory and code != 0, kind, end.seconds)


def probe(bubblewrap: Bubblewrap, folder: Path) -> None:
    """Make a sandbox on the empty folder ``folder``: returns when the machine allows it.

    Raises:
        SandboxError: IW601, it does not.
    """
    nobody: Callable[[str], None] = lambda line: None  # noqa: E731
    try:
        run(bubblewrap, Stack((str(folder),)), Command(("/-",)), on_stdout=nobody, on_stderr=nobody)
    except CannotStart:
        return
