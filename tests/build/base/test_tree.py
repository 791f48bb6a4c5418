"""Layers above each other."""

from tests.build.base.layers import PYTHON, tree


def test_a_later_layer_hides_and_takes_away() -> None:
    """A link in place of a file, a whiteout, and a folder that is emptied."""
    found = tree(
        {"usr/bin/python3.11": PYTHON, "usr/bin/python3": "python3.11", "opt/a/bin/python3": PYTHON},
        {"usr/bin/.wh.python3": b"", "opt/a/.wh..wh..opq": b""},
    )

    assert [path for path, _ in found.paths()] == ["/usr/bin/python3.11"]


def test_what_is_written_below_a_link_lies_where_it_leads() -> None:
    """usr-merge: a layer may have lib/x although /lib is a link into /usr."""
    found = tree({"lib": "usr/lib"}, {"lib/libc.so.6": b"stable release version 2.31"})

    assert found.text("/usr/lib/libc.so.6") == found.text("/lib/libc.so.6") == "2.31"


def test_links_are_followed_and_circles_end() -> None:
    """Absolute and relative links, .. included; a circle leads to something that is not there."""
    found = tree({"root": "home/boss", "opt": "/usr/../var/opt", "a": "b", "b": "a"})

    assert (found.resolve("/root/x"), found.resolve("/opt/y"), found.entry("/a/z")) == (
        "/home/boss/x",
        "/var/opt/y",
        None,
    )
