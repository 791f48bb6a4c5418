from pathlib import Path

from imagewright.spec import ImageSpec


def test_a_lock_file_is_part_of_what_the_image_is(tmp_path: Path) -> None:
    """A committed lock makes the lock itself content: another lock is another image."""
    spec = ImageSpec("demo", packages=["six"], directory=tmp_path)
    without = spec.digest
    file = spec.lock_file(spec.platforms[0])
    file.parent.mkdir()

    file.write_text("one")
    one = ImageSpec("demo", packages=["six"], directory=tmp_path).digest
    file.write_text("another")
    another = ImageSpec("demo", packages=["six"], directory=tmp_path).digest

    assert len({without, one, another}) == 3
    assert file == tmp_path / "imagewright.lock" / "demo-linux-amd64.pylock.toml"


def test_a_lock_file_does_not_change_what_is_required(tmp_path: Path) -> None:
    """What a lock answers is asked before the lock is read."""
    (tmp_path / "requirements.txt").write_text("six\n")
    spec = ImageSpec("demo", requirements="requirements.txt", directory=tmp_path)
    before = spec.required
    file = spec.lock_file(spec.platforms[0])
    file.parent.mkdir()
    file.write_text("anything")

    assert ImageSpec("demo", requirements="requirements.txt", directory=tmp_path).required == before
    (tmp_path / "requirements.txt").write_text("six==1.17.0\n")
    assert ImageSpec("demo", requirements="requirements.txt", directory=tmp_path).required != before
