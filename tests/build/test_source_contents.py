import io
import tarfile
from pathlib import Path

from imagewright.build.from_source.contents import read_contents
from imagewright.testing.wheels import make_wheel


def test_a_wheel_among_the_sources_does_not_make_them_a_zip(tmp_path: Path) -> None:
    """A tar that ends with a zip has a zip's end, and is a tar."""
    archive = tmp_path / "sources.tar"
    with tarfile.open(archive, "w") as tar:
        for name, data in {
            "a-1/pyproject.toml": b"[build-system]\nrequires = []\nbuild-backend = 'backend'\n",
            "a-1/vendored.whl": make_wheel("part", "7").data,
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

    contents = read_contents(archive, "", "a")

    assert (contents.folder, contents.backend) == ("a-1", "backend")
