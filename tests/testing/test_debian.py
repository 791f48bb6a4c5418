"""Programs of Debian for tests are had with proof, or not at all."""

from pathlib import Path

import pytest

from imagewright.errors import LockError, NetworkError
from imagewright.testing.debian import programs


def test_a_machine_without_debians_archive_says_so(tmp_path: Path) -> None:
    """What skips a test is an error that names the reason."""
    with pytest.raises(LockError, match="no mirror of Debian is known"):
        programs(["crane"], tmp_path, apt=tmp_path)


def test_a_mirror_that_does_not_answer(tmp_path: Path) -> None:
    """Nothing is left behind that a later call would take for the programs."""
    (tmp_path / "sources.list").write_text("deb http://127.0.0.1:1/debian sid main\n")

    with pytest.raises(NetworkError):
        programs(["crane"], tmp_path / "folder", apt=tmp_path)

    assert not (tmp_path / "folder/programs").exists()
