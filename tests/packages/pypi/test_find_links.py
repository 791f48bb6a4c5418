"""Folders of wheels whose digests are known."""

from pathlib import Path
from urllib.parse import quote

from imagewright.oci.digest import Digest, digest_of
from imagewright.packages.pypi.find_links import with_digests

DIGEST = digest_of(b"wheel")


def known(path: Path) -> Digest | None:
    return DIGEST if path.name.startswith("known") else None


def test_a_folder_with_a_known_wheel_becomes_a_page(tmp_path: Path) -> None:
    """Every file of it is on the page, those that are known with their digests; the same folder is the same page."""
    wheels = tmp_path / "a folder & more"
    wheels.mkdir()
    for name in ("known-1.0+cpu-py3-none-any.whl", "other-1.0-py3-none-any.whl", "notes.txt"):
        (wheels / name).write_bytes(b"")

    page = with_digests(str(wheels), tmp_path, known, tmp_path / "pages")

    text = Path(page).read_text()
    assert f'file://{quote(str(wheels))}/known-1.0%2Bcpu-py3-none-any.whl#{DIGEST.replace(":", "=")}"' in text
    assert '/other-1.0-py3-none-any.whl"' in text
    assert "notes" not in text
    assert with_digests(wheels.name, tmp_path, known, tmp_path / "pages") == page


def test_other_places_stay_as_they_are(tmp_path: Path) -> None:
    """Addresses, folders of which nothing is known, and what is not there."""
    (tmp_path / "unknown").mkdir()
    (tmp_path / "unknown" / "other-1.0-py3-none-any.whl").write_bytes(b"")
    links = f"https://example.com/wheels,{tmp_path}/unknown,{tmp_path}/absent"

    assert with_digests(links, tmp_path, known, tmp_path / "pages") == links
    assert not (tmp_path / "pages").exists()
