"""A channel that is a folder is what it offers: its place is no part of what an image is."""

from pathlib import Path

import pytest

from imagewright.errors import SpecError
from imagewright.spec import ImageSpec
from imagewright.testing.conda import make_package, write_channel


def _spec(folder: Path, *channels: str, **more: object) -> ImageSpec:
    return ImageSpec(conda_packages=["a"], conda_channels=list(channels), directory=folder, **more)  # type: ignore[arg-type]


def test_the_place_of_a_channel_does_not_matter_and_its_packages_do(tmp_path: Path) -> None:
    """Relative or absolute, here or there; another package makes another image, and another lock."""
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    for folder in (one, same):
        write_channel(folder / "channel", [make_package("a", "1", {})])
    write_channel(other / "channel", [make_package("a", "2", {})])

    first = _spec(one, "./channel", "conda-forge")
    assert first.digest == _spec(same, "./channel", "conda-forge").digest
    assert first.digest == _spec(other, f"{one}/channel", "conda-forge").digest
    assert first.digest != _spec(other, "./channel", "conda-forge").digest
    assert first.required != _spec(other, "./channel", "conda-forge").required
    assert first.digest != _spec(one, "conda-forge", "./channel").digest
    assert first.declared == _spec(same, "./channel", "conda-forge").declared


def test_a_login_is_no_part_of_an_image(tmp_path: Path) -> None:
    """Neither a token in the path nor a password."""
    plain = _spec(tmp_path, "https://conda.example.com/private")

    assert plain.digest == _spec(tmp_path, "https://conda.example.com/t/tk-1234/private").digest
    assert plain.declared == _spec(tmp_path, "https://bob:pw@conda.example.com/private").declared
    assert "tk-1234" not in repr(_spec(tmp_path, "https://conda.example.com/t/tk-1234/private"))


def test_a_folder_that_is_no_channel_is_named(tmp_path: Path) -> None:
    """One that is not there, and one without an index."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(SpecError, match="is no conda channel") as missing:
        _ = _spec(tmp_path, "./none").digest
    with pytest.raises(SpecError, match="is no conda channel") as empty:
        _ = _spec(tmp_path, "./empty").digest

    assert "there is no folder" in missing.value.fix[0]
    assert "rattler-index" in empty.value.fix[0]
