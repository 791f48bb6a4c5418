"""A command with a person before it, who has a terminal."""

import os
import pty
import select
import sys
from pathlib import Path

import pytest
from tests.sandbox.ordinary import OrdinaryUser
from tests.sandbox.test_owners import layers_of

from imagewright.sandbox.rootfs import StoredLayer

SHELL = """
import hashlib, pathlib, sys
from imagewright.oci.config import ImageConfig
from imagewright.oci.digest import DiffID
from imagewright.oci.platform import Platform
from imagewright.runners.images import ContainerImage
from imagewright.runners.shell import open_shell
from imagewright.sandbox.rootfs import StoredLayer

data = pathlib.Path(sys.argv[1]).read_bytes()
layer = StoredLayer(DiffID("sha256:" + hashlib.sha256(data).hexdigest()), "application/vnd.oci.image.layer.v1.tar", lambda: [data])
image = ContainerImage((layer,), ImageConfig(Platform("linux", "amd64"), {"A": "b"}))
sys.exit(open_shell(image, sys.argv[2:], cache=pathlib.Path("cache")))
"""


def test_an_ordinary_user_looks_around(ordinary_user: OrdinaryUser, busybox_layer: StoredLayer) -> None:
    """As root inside, without ids that are lent."""
    ran = ordinary_user.run(
        SHELL, *layers_of(ordinary_user, busybox_layer), "sh", "-c", "busybox id -u; echo $A; exit 3"
    )

    assert (ran.returncode, ran.stdout) == (3, "0\nb\n")


@pytest.mark.root
def test_with_lent_ids_owners_are_seen(lent_user: OrdinaryUser, busybox_layer: StoredLayer) -> None:
    """A home directory belongs to its user, who can be asked for a file in it."""
    ran = lent_user.run(SHELL, *layers_of(lent_user, busybox_layer), "busybox", "stat", "-c", "%u", "/home/user")

    assert (ran.returncode, ran.stdout) == (0, "1000\n")


@pytest.mark.parametrize("who", ["this user", "an ordinary user"])
def test_it_has_a_terminal_of_its_own(
    who: str, busybox_layer: StoredLayer, tmp_path: Path, ordinary_user: OrdinaryUser
) -> None:
    """Ctrl-C ends what runs in the shell and not the shell; the exit code is the shell's."""
    tar = tmp_path / "layer.tar"
    tar.write_bytes(b"".join(busybox_layer.chunks()))
    (ordinarys,) = layers_of(ordinary_user, busybox_layer)
    pid, terminal = pty.fork()
    if pid == 0:
        if who == "this user":
            os.chdir(tmp_path)
            code = f"import sys; sys.path[:] = {sys.path!r}\n{SHELL}"
            os.execv(sys.executable, [sys.executable, "-c", code, str(tar)])
        os.chdir(ordinary_user.home)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(ordinary_user.uid)
            os.setuid(ordinary_user.uid)
        environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ordinary_user.home}/code"}
        os.execve(ordinary_user.python, [ordinary_user.python, "-c", SHELL, ordinarys], environ)
    os.write(terminal, b"[ -t 0 ] && echo yes-$((40+2)); sh -c 'echo wait-$((1+1)); exec sleep 1000'\n")
    said = _until(terminal, b"wait-2")
    os.write(terminal, b"\x03")
    os.write(terminal, b"echo alive-$((3+4)); exit 5\n")
    said += _until(terminal, b"")
    status = os.waitpid(pid, 0)[1]
    os.close(terminal)

    assert b"yes-42" in said
    assert b"alive-7" in said
    assert os.waitstatus_to_exitcode(status) == 5


def _until(terminal: int, mark: bytes) -> bytes:
    """What is said until ``mark``; b"" is the end."""
    said = b""
    while not mark or mark not in said:
        if not select.select([terminal], [], [], 30)[0]:
            raise AssertionError(f"nothing more is said after {said!r}")
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        said += data
    return said
