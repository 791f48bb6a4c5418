"""What is taken at first sight is what the strict rules take."""

from pathlib import Path
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from imagewright.packages.pypi.members_archive import Archive
from imagewright.packages.pypi.members_directory import _name, _plain_name

PARTS = st.sampled_from(["a", "B", ".", "..", "", ":", "\\", "/", "\n", "\x7f", "x" * 50, " ", "-", "é", ".pth", "C:"])


@given(st.lists(PARTS, max_size=6).map("".join), st.sampled_from([0, 0x0800]))
def test_a_name_taken_at_first_sight_breaks_no_rule(name: str, flags: int) -> None:
    """Whatever is put together of what names may not have; the rest is left to the rules."""
    raw = name.encode()

    plain = _plain_name(raw)

    assert plain in ("", name)
    if plain:
        assert _name(cast(Archive, None), raw, flags) == name  # it would need the archive to refuse it


def test_the_names_of_wheels_are_taken_at_first_sight() -> None:
    """Else it would be of no use."""
    for name in ("numpy/core/_multiarray.cpython-311-x86_64-linux-gnu.so", "demo-1.0.dist-info/METADATA", "a b/c.py"):
        assert _plain_name(name.encode()) == name
    assert not _plain_name(str(Path("demo") / ".hidden").encode())
