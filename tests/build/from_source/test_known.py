"""Wheels that were built are found again by what decided them."""

from pathlib import Path

from imagewright.build.from_source.known import KnownWheels
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.source import Source

KEY = digest_of(b"key")
SOURCE = Source("folder", "pkg", digest_of(b"files"))


def kept(tmp_path: Path) -> tuple[KnownWheels, LockedWheel]:
    known = KnownWheels(tmp_path / "built", tmp_path / "files")
    (tmp_path / "made.whl").write_bytes(b"wheel")
    file = InputFile("built:a-1-py3-none-any.whl", digest_of(b"wheel"), 5)
    wheel = LockedWheel("a", "1", file, SOURCE.called("a", "1").with_requires(["flit-core==3"]))
    known.keep(KEY, wheel, tmp_path / "made.whl")
    return known, wheel


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    """With its name, its version and what it was built with; the file lies where downloads do."""
    known, wheel = kept(tmp_path)

    assert known.find(KEY, SOURCE) == wheel
    assert known.path(wheel.file.digest).read_bytes() == b"wheel"
    assert known.find(digest_of(b"another"), SOURCE) is None


def test_what_is_damaged_or_gone_is_built_again(tmp_path: Path) -> None:
    """A record that is cut short, a file that is not there."""
    known, wheel = kept(tmp_path)
    (record,) = (tmp_path / "built").iterdir()
    text = record.read_bytes()

    record.write_bytes(text[:20])
    assert known.find(KEY, SOURCE) is None
    record.write_bytes(text)
    known.path(wheel.file.digest).unlink()
    assert known.find(KEY, SOURCE) is None
