"""Files on their way in."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagewright.build.part_file import open_part
from imagewright.oci.digest import digest_of


def test_what_came_before_counts(tmp_path: Path) -> None:
    """The bytes of an earlier run are part of size and digest, and the validator is remembered."""
    with open_part(tmp_path / "a.part") as part:
        part.write(b"one")
        part.validator = '"v1"'
    with open_part(tmp_path / "a.part") as part:
        validator = part.validator
        part.write(b"two")
        state = (part.size, part.digest)
        part.finish(tmp_path / "a")

    assert validator == '"v1"'
    assert state == (6, digest_of(b"onetwo"))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_a_restart_forgets_all(tmp_path: Path) -> None:
    """Bytes, digest and validator."""
    with open_part(tmp_path / "a.part") as part:
        part.write(b"wrong")
        part.validator = '"v1"'
        part.restart()
        part.write(b"right")

        assert (part.size, part.digest, part.validator) == (5, digest_of(b"right"), "")
    assert (tmp_path / "a.part").read_bytes() == b"right"


def test_one_at_a_time(tmp_path: Path) -> None:
    """Who waits for a part gets a new one when the other has finished it, never the finished file."""

    def take(number: int) -> int:
        with open_part(tmp_path / "a.part") as part:
            before = part.size
            part.write(b"x" * 100_000)
            if number % 2:
                part.finish(tmp_path / f"done-{number}")
            return before

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, range(40)))

    sizes = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert sizes == 40 * 100_000
