"""Root filesystems small enough for tests: busybox, and this machine's own Python, as layers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.sandbox.layers import Member, folder, layer_of_tar, member, symlink, tar_of

from imagewright.sandbox.rootfs import StoredLayer

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:A User:/home/user:/bin/sh\n"
GROUP = b"root:x:0:\nuser:x:1000:\nextra:x:1234:user\n"
_LEFT_OUT = {"test", "idlelib", "tkinter", "lib2to3", "ensurepip", "pydoc_data", "turtledemo", "distutils"}


def base_members() -> list[Member]:
    """The directories and accounts that every image has."""
    folders = [folder(name) for name in ("bin", "etc", "home", "proc", "dev", "root", "usr", "usr/bin")]
    return [
        *folders,
        folder("tmp", 0o1777),
        folder("home/user", 0o700, owner=1000),
        member("etc/passwd", PASSWD),
        member("etc/group", GROUP),
        symlink("etc/resolv.conf", "../run/resolv.conf"),
    ]


@pytest.fixture(scope="session")
def busybox_layer() -> StoredLayer:
    """A layer with busybox as every command of the tests."""
    program = shutil.which("busybox")
    if program is None or b"statically" not in _file_kind(program):
        pytest.skip("busybox-static is not installed")
    links = [
        symlink(f"bin/{name}", "busybox") for name in ("sh", "cat", "id", "ls", "sleep", "touch", "true", "env", "ps")
    ]
    return layer_of_tar(
        tar_of([*base_members(), member("bin/busybox", Path(program).read_bytes(), mode=0o755), *links]), compress=False
    )


@pytest.fixture(scope="session")
def python_layer() -> StoredLayer:
    """A layer with the Python of this machine's system at /usr/bin/python3, its library, and what they are linked to."""
    program = Path("/usr/bin/python3")
    if not program.exists():
        pytest.skip("the system has no /usr/bin/python3")
    said = subprocess.run(
        [program, "-ISc", "import sys; print(*sys.version_info[:2], sep='.')"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    version = said.stdout.strip()
    library = Path(f"/usr/lib/python{version}")
    members = {f"usr/bin/python{version}": _copied(program.resolve(), f"usr/bin/python{version}")}
    for path in sorted(library.rglob("*")):
        inside = path.relative_to(library).parts
        if inside[0] in _LEFT_OUT or inside[0].startswith("config-") or not path.is_file():
            continue
        members[f"usr/lib/python{version}/{'/'.join(inside)}"] = _copied(
            path, f"usr/lib/python{version}/{'/'.join(inside)}"
        )
    for needed in _linked([program, *library.glob("lib-dynload/*.so")]):
        members[needed.lstrip("/")] = _copied(Path(needed), needed.lstrip("/"))
    return layer_of_tar(
        tar_of([*base_members(), *members.values(), symlink("usr/bin/python3", f"python{version}")]),
        compress=False,
        piece=1 << 18,
    )


def _copied(path: Path, name: str) -> Member:
    status = path.stat()
    return member(name, path.read_bytes(), mode=status.st_mode & 0o777, mtime=int(status.st_mtime))


def _linked(programs: list[Path]) -> set[str]:
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, timeout=60).stdout
    words = (word for line in said.splitlines() if not line.endswith(":") for word in line.split())
    return {word for word in words if word.startswith("/") and os.path.isfile(word)}


def _file_kind(program: str) -> bytes:
    said = subprocess.run(["ldd", program], capture_output=True, timeout=30)
    return b"statically" if said.returncode else b""
