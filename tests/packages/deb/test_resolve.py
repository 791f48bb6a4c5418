import dataclasses
import errno
import subprocess

import pytest

from imagewright.errors import IntegrityError, LockError
from imagewright.events import Event, Noted
from imagewright.oci.platform import Platform
from imagewright.packages.deb.base import expected_target, plan_base
from imagewright.packages.deb.release import MAX_AGE_SECONDS, Archive
from imagewright.packages.deb.releases import COMMON, RELEASES, Release
from imagewright.packages.deb.resolve import resolve_base

from .conftest import MIRRORS, FakeArchive, stanza

AMD64 = Platform("linux", "amd64")
BASE = "\n".join(
    [
        stanza("base-files", "12", Essential="yes"),
        stanza("usr-is-merged"),
        stanza("python3-distutils"),
        *(stanza(name) for name in COMMON),
    ]
)


def publish(archive: FakeArchive) -> None:
    archive.suite("bookworm", BASE)
    archive.suite("bookworm-updates", stanza("tzdata", "2"))
    archive.suite("bookworm-security", stanza("python3", "1+deb12u1"), codename="bookworm-security")


def test_the_newest_packages_of_all_suites_are_pinned(archive: FakeArchive) -> None:
    """Updates and security updates count; a deb's URL has its archive and no host."""
    publish(archive)

    base = resolve_base("3.11", AMD64, archive.place())

    assert base.release == "bookworm"
    assert base.deb("tzdata").version == "2"
    assert base.deb("python3").file.url == "deb:debian-security/pool/main/python3_1+deb12u1.deb"
    assert base.deb("base-files").file.url.startswith("deb:debian/pool/")
    assert [deb.name for deb in base.debs] == sorted(deb.name for deb in base.debs)


def test_a_fresh_cache_asks_nothing(archive: FakeArchive) -> None:
    """Release files count as new for some hours; then each is asked for once, and indexes only when they changed."""
    publish(archive)
    first = resolve_base("3.11", AMD64, archive.place())
    asked = len(archive.asked)

    assert resolve_base("3.11", AMD64, archive.place()) == first
    assert len(archive.asked) == asked

    archive.time += MAX_AGE_SECONDS
    assert resolve_base("3.11", AMD64, archive.place()) == first
    assert len(archive.asked) == asked + 3


def test_a_snapshot_is_asked_once_and_never_again(archive: FakeArchive) -> None:
    """Its packages' URLs have its time; that its release files are past their date is no news."""
    archive.suite("bookworm", BASE, until="Mon, 20 Jan 2020 00:00:00 UTC")
    archive.suite("bookworm-updates", stanza("tzdata", "2"))
    for url in list(archive.pages):
        old = url.replace("//mirror.example.com/debian/", "//snapshot.example.com/archive/debian/20200101T000000Z/")
        archive.pages[old] = archive.pages.pop(url)
    said: list[object] = []
    mirrors = dataclasses.replace(MIRRORS, snapshots="http://snapshot.example.com/archive")
    place = dataclasses.replace(archive.place(), mirrors=mirrors, snapshot="20200101T000000Z")

    base = resolve_base("3.11", AMD64, place, listen=said.append)

    assert base.deb("tzdata").file.url == "deb:debian@20200101T000000Z/pool/main/tzdata_2.deb"
    assert said == []
    asked = len(archive.asked)
    archive.time += 10 * MAX_AGE_SECONDS
    assert resolve_base("3.11", AMD64, dataclasses.replace(place, upgrade=True)) == base
    assert len(archive.asked) == asked


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0 and then nothing of the kind" * 99])
def test_a_damaged_index_is_made_anew(archive: FakeArchive, damage: bytes) -> None:
    """A file of the cache that cannot be read is said once, and costs its download again."""
    publish(archive)
    first = resolve_base("3.11", AMD64, archive.place())
    for path in (archive.folder / "index").glob("*.sqlite"):
        path.write_bytes(damage)
        archive.asked.clear()
        said: list[object] = []

        assert resolve_base("3.11", AMD64, archive.place(), listen=said.append) == first

        assert [type(event) for event in said] == [Noted]
        assert f"{path.name} in the cache is damaged: it is made anew" in str(said)
        assert len(archive.asked) == 2
        path.write_bytes(damage)
        with pytest.raises(LockError) as caught:
            resolve_base("3.11", AMD64, archive.place(offline=True))
        assert caught.value.code == "IW205"
        resolve_base("3.11", AMD64, archive.place())


def test_all_indexes_may_be_damaged(archive: FakeArchive) -> None:
    """Each is said once."""
    publish(archive)
    first = resolve_base("3.11", AMD64, archive.place())
    for path in (archive.folder / "index").glob("*.sqlite"):
        path.write_bytes(b"no database")
    said: list[object] = []

    assert resolve_base("3.11", AMD64, archive.place(), listen=said.append) == first
    assert len(said) == 3


@pytest.mark.parametrize("wrong", [b"{", b'{"release": 1', b"sha25:"])
def test_a_damaged_memory_of_a_release_is_forgotten(archive: FakeArchive, wrong: bytes) -> None:
    """Then the mirror is asked again."""
    publish(archive)
    first = resolve_base("3.11", AMD64, archive.place())
    for path in (archive.folder / "index").glob("*.json"):
        text = path.read_bytes()
        path.write_bytes(text.replace(b"sha256:", wrong) if wrong == b"sha25:" else wrong)
    archive.asked.clear()

    assert resolve_base("3.11", AMD64, archive.place()) == first
    assert len(archive.asked) == 3


@pytest.mark.root
def test_an_index_that_finds_no_space_leaves_nothing(archive: FakeArchive) -> None:
    """It is the disk that is full, and not made fuller."""
    archive.suite("bookworm", "\n".join(stanza(f"p{number}", Description="x" * 200) for number in range(9000)))
    folder = archive.folder / "index"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, timeout=30
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a tmpfs")
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            resolve_base("3.11", AMD64, archive.place())

        assert caught.value.errno == errno.ENOSPC
        assert [path.name for path in folder.iterdir() if "sqlite" in path.name] == []
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=30)


def test_upgrade_asks_again(archive: FakeArchive) -> None:
    """With ``upgrade``, what changed a minute ago is seen."""
    publish(archive)
    resolve_base("3.11", AMD64, archive.place())
    archive.suite("bookworm-updates", stanza("tzdata", "3"))

    assert resolve_base("3.11", AMD64, archive.place()).deb("tzdata").version == "2"
    assert resolve_base("3.11", AMD64, archive.place(upgrade=True)).deb("tzdata").version == "3"


def test_offline_takes_what_it_has(archive: FakeArchive) -> None:
    """However old; and without anything it says so."""
    publish(archive)
    with pytest.raises(LockError) as caught:
        resolve_base("3.11", AMD64, archive.place(offline=True))
    assert caught.value.code == "IW205"

    base = resolve_base("3.11", AMD64, archive.place())
    archive.time += 400 * 24 * 3600
    asked = len(archive.asked)

    assert resolve_base("3.11", AMD64, archive.place(offline=True)) == base
    assert len(archive.asked) == asked


@pytest.mark.parametrize("python", ["3.8", "3.10", "3.12", "3.15", "2.7"])
def test_a_python_that_debian_has_not_is_an_error_with_ways_out(archive: FakeArchive, python: str) -> None:
    """It names the versions that there are, a registry's image, and a standalone CPython."""
    with pytest.raises(LockError) as caught:
        resolve_base(python, AMD64, archive.place())

    assert caught.value.code == "IW204"
    assert all(release.python in caught.value.why[0] for release in RELEASES)
    assert any(f"python:{python}-slim" in line for line in caught.value.fix)
    assert any("standalone CPython" in line for line in caught.value.fix)
    assert not archive.asked


@pytest.mark.parametrize("platform", [Platform("linux", "riscv64"), Platform("windows", "amd64")])
def test_a_platform_that_no_base_is_made_for_is_an_error(archive: FakeArchive, platform: Platform) -> None:
    """It names those that there are."""
    with pytest.raises(LockError) as caught:
        resolve_base("3.11", platform, archive.place())

    assert caught.value.code == "IW204"


def test_a_changed_release_file_is_refused(archive: FakeArchive) -> None:
    """One letter changed in what is signed: nothing is used of it."""
    publish(archive)
    url = f"{MIRRORS.debian}/dists/bookworm/InRelease"
    archive.pages[url] = archive.pages[url].replace(b"Acquire-By-Hash: yes", b"Acquire-By-Hash: no ")

    with pytest.raises(IntegrityError) as caught:
        resolve_base("3.11", AMD64, archive.place())

    assert caught.value.code == "IW511"
    assert "bookworm/InRelease" in caught.value.what
    assert "stack" not in str(caught.value).lower()


def test_a_foreign_key_s_signature_is_refused(archive: FakeArchive) -> None:
    """A signature counts only when the keyring has its key; what another keyring proved is not taken over."""
    publish(archive)
    resolve_base("3.11", AMD64, archive.place())
    other = archive.folder / "other"
    other.mkdir()

    with pytest.raises(IntegrityError) as caught:
        resolve_base("3.11", AMD64, archive.place(keyring=FakeArchive(other).keyring))

    assert caught.value.code == "IW511"


def test_text_around_the_signed_part_is_not_read(archive: FakeArchive) -> None:
    """Whoever sends the file may put lines before and after; only what is signed counts."""
    publish(archive)
    url = f"{MIRRORS.debian}/dists/bookworm/InRelease"
    archive.pages[url] = b"Origin: Mallory\nCodename: sid\n\n" + archive.pages[url] + b"\nOrigin: Mallory\n"

    assert resolve_base("3.11", AMD64, archive.place()).release == "bookworm"


def test_an_unsigned_release_file_is_refused(archive: FakeArchive) -> None:
    """No signature is no signature."""
    publish(archive)
    archive.pages[f"{MIRRORS.debian}/dists/bookworm/InRelease"] = b"Origin: Debian\nCodename: bookworm\n"

    with pytest.raises(IntegrityError) as caught:
        resolve_base("3.11", AMD64, archive.place())

    assert caught.value.code == "IW511"


def test_no_keyring_is_an_error_not_a_shortcut(archive: FakeArchive) -> None:
    """Without keys nothing is fetched, and the fix names the package that has them."""
    publish(archive)

    with pytest.raises(IntegrityError) as caught:
        resolve_base("3.11", AMD64, archive.place(keyring=archive.folder / "none.gpg"))

    assert "debian-archive-keyring" in "".join(caught.value.fix)
    assert not archive.asked


def test_another_suite_s_good_signature_is_refused(archive: FakeArchive) -> None:
    """A mirror that answers with an older release, or with another distribution, is found out."""
    publish(archive)
    archive.suite("bullseye", BASE)
    archive.pages[f"{MIRRORS.debian}/dists/bookworm/InRelease"] = archive.pages[
        f"{MIRRORS.debian}/dists/bullseye/InRelease"
    ]
    with pytest.raises(LockError) as caught:
        resolve_base("3.11", AMD64, archive.place())
    assert caught.value.code == "IW206"

    archive.suite("bookworm", BASE, origin="Raspbian")
    with pytest.raises(LockError, match="not the archive"):
        resolve_base("3.11", AMD64, archive.place())


def test_a_changed_index_is_refused(archive: FakeArchive) -> None:
    """Its digest is in the signed file; nothing is kept of another."""
    publish(archive)
    url = f"{MIRRORS.debian}/dists/bookworm/main/binary-amd64/Packages.xz"
    archive.pages[url] = archive.pages[url][:-1] + b"!"

    with pytest.raises(IntegrityError) as caught:
        resolve_base("3.11", AMD64, archive.place())

    assert caught.value.code == "IW510"
    assert not list((archive.folder / "index").glob("debian-bookworm-amd64*"))


def test_a_configured_security_archive_has_to_answer(archive: FakeArchive) -> None:
    """Whoever could make it vanish would hold back updates; one that was only guessed may be absent."""
    publish(archive)
    del archive.pages[f"{MIRRORS.security}/dists/bookworm-security/InRelease"]
    place = archive.place()

    with pytest.raises(Exception, match="404"):
        resolve_base("3.11", AMD64, place)

    guessed = dataclasses.replace(place, mirrors=dataclasses.replace(MIRRORS, derived=True))
    assert resolve_base("3.11", AMD64, guessed).deb("python3").version == "1"


def test_a_frozen_mirror_is_said(archive: FakeArchive) -> None:
    """A Valid-Until in the past stops nothing: archives are frozen on purpose too. It is told."""
    publish(archive)
    archive.suite("bookworm-updates", stanza("tzdata", "2"), until="Fri, 06 Nov 2020 08:08:01 UTC")
    heard: list[Event] = []

    resolve_base("3.11", AMD64, archive.place(), listen=heard.append)

    assert [type(event) for event in heard] == [Noted]
    assert "bookworm-updates" in str(heard[0])


@pytest.mark.network
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.codename)
def test_debian_itself_resolves(debian: Archive, release: Release, architecture: str) -> None:
    """Every release that the default base is made of has all packages of it, for both architectures."""
    base = resolve_base(release.python, Platform("linux", architecture), debian)

    assert {deb.architecture for deb in base.debs} == {"all", architecture}
    assert base.deb(f"python{release.python}").version.startswith(f"{release.python}.")
    assert 60 <= len(base.debs) <= 130
    assert expected_target(release.python, base.platform) in (plan_base(base).target, None)
    assert release.testing == (expected_target(release.python, base.platform) is None)
