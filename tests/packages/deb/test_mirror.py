from pathlib import Path

import pytest

from imagewright.errors import LockError
from imagewright.packages.deb.mirror import Mirrors, apt_sources, mirrors_at, mirrors_of

ONE_LINE = """
# deb http://old.example.com/debian bookworm main
deb-src http://source.example.com/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/other.gpg] https://chrome.example.com/linux stable main
deb http://mirror.example.com/debian/ bookworm main contrib # comment
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://security.example.com/debian-security bookworm-security main
deb cdrom:[Debian]/ bookworm main
"""
DEB822 = """
Types: deb deb-src
URIs: http://off.example.com/debian
Suites: bookworm
Components: main
Enabled: no

# the mirror of the house
Types: deb
URIs: https://user:secret@artifacts.example.com/remote/linux
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 debian-archive
"""


def test_a_snapshot_is_in_a_folder_of_its_time() -> None:
    """As Debian's snapshot archives lay it out; without one, what to set is said."""
    url = "deb:debian@20250520T000000Z/pool/main/a.deb"

    known = Mirrors("", snapshots="http://snapshot.example.com/archive")

    assert known.url(url) == "http://snapshot.example.com/archive/debian/20250520T000000Z/pool/main/a.deb"
    with pytest.raises(LockError, match="as they were at 20250520T000000Z") as refused:
        Mirrors("http://mirror.example.com/debian").url(url)
    assert "debian_snapshots" in str(refused.value.fix)


def test_one_line_lists_are_read() -> None:
    """Comments, sources, discs and other archives' "stable" are passed over."""
    assert mirrors_of([("sources.list", ONE_LINE)]) == Mirrors(
        "http://mirror.example.com/debian", "http://security.example.com/debian-security"
    )


def test_deb822_files_are_read() -> None:
    """An entry that is switched off does not count; a mirror may lie in any folder."""
    assert mirrors_of([("debian.sources", DEB822)]).debian == "https://user:secret@artifacts.example.com/remote/linux"


def test_the_security_archive_is_looked_for_beside_the_main_one() -> None:
    """A host without it in its lists, and a snapshot given by hand, still get security updates."""
    assert mirrors_at("http://snapshot.example.com/archive/debian/20250520T000000Z/") == Mirrors(
        "http://snapshot.example.com/archive/debian/20250520T000000Z",
        "http://snapshot.example.com/archive/debian-security/20250520T000000Z",
        derived=True,
    )
    assert mirrors_at("http://mirror.example.com/linux") == Mirrors("http://mirror.example.com/linux")


def test_ubuntu_s_lists_name_no_mirror() -> None:
    """A host of another distribution gets an error that says what to do."""
    with pytest.raises(LockError) as caught:
        mirrors_of([("sources.list", "deb http://ubuntu.example.com/ubuntu noble main universe")])

    assert caught.value.code == "IW206"
    assert any("--debian-mirror" in line for line in caught.value.fix)


def test_a_deb_s_address_is_its_archive_s_mirror_and_its_path() -> None:
    """``deb:`` URLs name no host until they are downloaded."""
    mirrors = Mirrors("http://a.example.com/debian", "http://b.example.com/sec")

    assert mirrors.url("deb:debian/pool/main/a/apt/apt_1_amd64.deb").startswith("http://a.example.com/debian/pool/")
    assert mirrors.url("deb:debian-security/dists/x") == "http://b.example.com/sec/dists/x"


@pytest.mark.parametrize("url", ["deb:ubuntu/pool/x", "deb:debian", "deb:debian-security/x", "http://example.com/x"])
def test_an_archive_without_a_mirror_is_an_error(url: str) -> None:
    """No address is ever guessed."""
    with pytest.raises(LockError):
        Mirrors("http://a.example.com/debian").url(url)


def test_all_of_apt_s_lists_are_found(tmp_path: Path) -> None:
    """The main list comes first; folders that are not there do not matter."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("one")
    (tmp_path / "sources.list.d" / "b.sources").write_text("three")
    (tmp_path / "sources.list.d" / "a.list").write_text("two")
    (tmp_path / "sources.list.d" / "a.list.save").write_text("old")

    assert [text for _, text in apt_sources(tmp_path)] == ["one", "two", "three"]
    assert apt_sources(tmp_path / "nothing") == ()
