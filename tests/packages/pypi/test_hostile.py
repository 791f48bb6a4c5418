"""Every wheel of the hostile corpus is refused with its reason, and nothing is written anywhere."""

import os
from pathlib import Path

import pytest
from tests.packages.pypi.hostile import Hostile, corpus
from tests.packages.pypi.wheels import TARGET, Folder

from imagewright.errors import ImagewrightError
from imagewright.packages.pypi.wheel_layer import WheelLayer

CORPUS = list(corpus())


class _Ingest:
    """A store's hand: what is written counts only once it is committed."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes | memoryview, /) -> None:
        self.size += len(data)


def _files(folder: Path) -> list[str]:
    return sorted(str(Path(top, name)) for top, _, names in os.walk(folder) for name in names)


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.name)
def test_refused(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is IW303, names the wheel and the rule, and no file appears."""
    folder = Folder(tmp_path)
    wheel = folder.add(hostile.data, hostile.filename)
    monkeypatch.chdir(tmp_path)
    before = _files(tmp_path)
    out = _Ingest()

    with pytest.raises(ImagewrightError) as refused:
        WheelLayer((wheel,), TARGET).write(folder, out)

    assert refused.value.code == "IW303"
    assert hostile.filename in refused.value.what
    assert hostile.reason in refused.value.what
    assert refused.value.fix
    assert _files(tmp_path) == before
    # What shows only when content is inflated may come after some bytes; they have no diff_id, so nobody commits them.
    assert out.size == 0 or hostile.name.startswith(("stream:", "record: wrong digest"))


def test_the_corpus_is_large_and_has_no_twins() -> None:
    """More than sixty ways, each of them once."""
    assert len(CORPUS) >= 60
    assert len({hostile.name for hostile in CORPUS}) == len(CORPUS)
    assert len({(hostile.data, hostile.filename) for hostile in CORPUS}) == len(CORPUS)
