"""A wheel that was proven is not held against its RECORD again, and nothing counts as proven that was not looked at."""

import io
from pathlib import Path

import pytest
from tests.packages.pypi.wheels import TARGET, Folder, changed, parts_of, zipped

from imagewright.build.proofs import Proofs
from imagewright.layer.planned import InputFile
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.members_archive import RefusedArchive
from imagewright.packages.pypi.wheel import RULES
from imagewright.packages.pypi.wheel_layer import WheelLayer


class Remembering(Folder):
    """A folder of wheels that keeps proofs."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.proofs = Proofs(path / "proven")

    def is_proven(self, file: InputFile, rules: str) -> bool:
        return self.proofs.has(file, rules)

    def remember_proof(self, file: InputFile, rules: str) -> None:
        self.proofs.add(file, rules)


@pytest.fixture
def folder(tmp_path: Path) -> Remembering:
    return Remembering(tmp_path)


def _written(folder: Remembering, *wheels: LockedWheel, allow: frozenset[str] = frozenset()) -> bytes:
    out = io.BytesIO()
    WheelLayer(wheels, TARGET, allow).write(folder, out)
    return out.getvalue()


def _lying(folder: Remembering) -> LockedWheel:
    """A wheel whose RECORD has another digest of a file than the file, of the same size."""
    return folder.add(zipped(changed(parts_of({"demo/x.py": b"true\n"}), "demo/x.py", data=b"evil\n")))


def test_a_wheel_is_proven_once(folder: Remembering) -> None:
    """Writing its layer proves it; the layer's bytes are the same afterwards."""
    wheel = folder.wheel({"demo/x.py": b"x = 1\n" * 2000, "demo/y.py": b"y\n"})

    first = _written(folder, wheel)

    assert folder.is_proven(wheel.file, RULES)
    assert _written(folder, wheel) == first


def test_a_wheel_that_lies_is_never_proven(folder: Remembering) -> None:
    """It is refused as often as it comes."""
    wheel = _lying(folder)

    for _ in range(2):
        with pytest.raises(RefusedArchive, match="sha256"):
            _written(folder, wheel)

    assert not folder.is_proven(wheel.file, RULES)


def test_what_is_proven_is_not_hashed_again(folder: Remembering) -> None:
    """Whoever says that a wheel was proven is believed, for its digest alone: that is what makes it fast."""
    wheel, other = _lying(folder), folder.wheel({"demo/z.py": b"z\n"})
    folder.remember_proof(wheel.file, RULES)

    assert _written(folder, wheel)
    assert folder.is_proven(wheel.file, RULES)
    assert not folder.is_proven(other.file, RULES)
    assert not folder.is_proven(wheel.file, "wheel-0")


def test_damage_is_found_all_the_same(folder: Remembering) -> None:
    """Sizes and CRCs of a proven wheel are checked whenever it is read."""
    wheel = folder.wheel({"demo/x.py": b"x = 1\n" * 2000})
    _written(folder, wheel)
    path = folder.path(wheel.file)
    data = bytearray(path.read_bytes())
    data[80] ^= 1
    path.write_bytes(data)

    with pytest.raises(RefusedArchive):
        _written(folder, wheel)


def test_a_file_that_was_passed_over_proves_nothing(folder: Remembering) -> None:
    """Of two wheels with the same file the second one's is not read; its content may still be a lie."""
    first = folder.wheel({"both.py": b"true\n"}, name="a")
    second = folder.add(
        zipped(changed(parts_of({"both.py": b"true\n"}, name="b"), "both.py", data=b"evil\n")), "b-1.0-py3-none-any.whl"
    )

    _written(folder, first, second)

    assert folder.is_proven(first.file, RULES)
    assert not folder.is_proven(second.file, RULES)


def test_a_record_that_may_be_wrong_proves_nothing(folder: Remembering) -> None:
    """`allow_bad_record` is for one image, and not a proof for all others."""
    wheel = folder.add(zipped(changed(parts_of({"demo/x.py": b"true\n"}), "demo/x.py", data=b"evil\n")))

    _written(folder, wheel, allow=frozenset({"demo"}))

    assert not folder.is_proven(wheel.file, RULES)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A proof that cannot be kept is no error."""
    (tmp_path / "file").write_text("")
    proofs = Proofs(tmp_path / "file")
    file = InputFile("https://example.com/x.whl", Folder(tmp_path).add(b"x").file.digest, 1)

    proofs.add(file, RULES)

    assert not proofs.has(file, RULES)
