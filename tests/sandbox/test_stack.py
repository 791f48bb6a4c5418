"""Lookups in a stack of layers that is not mounted."""

from pathlib import Path

import pytest
from tests.sandbox.layers import folder, layer, member, symlink

from imagewright.sandbox.rootfs import Rootfs
from imagewright.sandbox.stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    lower = layer(
        folder("etc"),
        member("etc/passwd", b"lower"),
        member("etc/gone", b"x"),
        folder("run"),
        folder("old"),
        member("old/x", b"x"),
        symlink("etc/resolv.conf", "../run/systemd/resolv.conf"),
        symlink("outside", "../../../../etc/passwd"),
        symlink("circle", "circle"),
        folder("lib"),
    )
    upper = layer(
        folder("etc"),
        member("etc/passwd", b"upper"),
        member("etc/.wh.gone"),
        folder("old"),
        member("old/.wh..wh..opq"),
        symlink("lib", "usr/lib"),
    )
    return Rootfs(tmp_path).prepare([lower, upper])


def test_the_topmost_file_is_read(stack: Stack) -> None:
    """Upper files hide lower ones, whiteouts and opaque directories hide what is below."""
    assert stack.read("/etc/passwd") == b"upper"
    assert stack.read("/etc/passwd", limit=2) == b"up"
    assert not stack.exists("/etc/gone")
    assert stack.exists("/old")
    assert not stack.exists("/old/x")
    assert stack.read("/etc") == b""


def test_the_topmost_folder_tells_mode_and_owner(tmp_path: Path) -> None:
    """As overlayfs shows it."""
    stack = Rootfs(tmp_path).prepare([layer(folder("a", 0o755)), layer(folder("a", 0o750)), layer(member("b"))])

    assert stack.status("/a/../a").st_mode & 0o777 == 0o750
    with pytest.raises(FileNotFoundError):
        stack.status("/c")


def test_links_are_followed_inside(stack: Stack) -> None:
    """A link leads to a place in the container, also when nothing is there, and never to the host."""
    assert stack.resolve("/etc/resolv.conf") == "/run/systemd/resolv.conf"
    assert stack.resolve("lib/x/../y") == "/usr/lib/y"
    assert stack.read("/outside") == b"upper"
    assert stack.resolve("/../..") == "/"
    with pytest.raises(ValueError, match="too many"):
        stack.resolve("/circle")
