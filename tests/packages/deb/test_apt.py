"""What ``apt_packages`` adds to a base, and how apt is told to install it."""

import subprocess
from pathlib import Path

import pytest

from imagewright.errors import LockError
from imagewright.oci.platform import Platform
from imagewright.packages.deb.apt import IGNORED, file_name, install
from imagewright.packages.deb.apt_resolve import resolve_apt
from imagewright.packages.deb.locked import LockedBase
from imagewright.packages.deb.programs import package_of
from imagewright.packages.deb.releases import COMMON
from imagewright.packages.deb.resolve import resolve_base

from .conftest import FakeArchive, stanza

STANZAS = [
    *(stanza(name) for name in ("base-files", *COMMON, "usr-is-merged", "python3-distutils", "libc6")),
    stanza("base-extra", Essential="yes", Depends="libc6"),
    stanza("git", "1:2.39.5-1", Depends="libc6, perl, git-man (= 1:2.39.5-1)", Recommends="less"),
    stanza("git", "1:2.39.2-1", Depends="libc6, perl, git-man (= 1:2.39.2-1)"),
    stanza("git-man", "1:2.39.5-1"),
    stanza("git-man", "1:2.39.2-1"),
    stanza("perl", "5.36"),
    stanza("less", "590"),
    stanza("exim4", Provides="mail-transport-agent"),
    stanza("no-libc", Conflicts="libc6"),
]


@pytest.fixture
def base(archive: FakeArchive) -> LockedBase:
    archive.suite("bookworm", "\n".join(STANZAS))
    archive.suite("bookworm-updates", stanza("other"))
    archive.suite("bookworm-security", stanza("other"), codename="bookworm-security")
    return resolve_base("3.11", Platform("linux", "amd64"), archive.place())


def added(archive: FakeArchive, base: LockedBase, *wanted: str) -> dict[str, str]:
    return {deb.name: deb.version for deb in resolve_apt(base, wanted, archive.place())}


def test_dependencies_come_along_and_recommendations_do_not(archive: FakeArchive, base: LockedBase) -> None:
    """The newest version, with what it needs beyond the base; nothing more is asked of the mirror."""
    asked = len(archive.asked)

    assert added(archive, base, "git") == {"git": "1:2.39.5-1", "git-man": "1:2.39.5-1", "perl": "5.36"}
    assert len(archive.asked) == asked


@pytest.mark.parametrize("version", ["1:2.39.2-1", "1:2.39.2*"])
def test_a_version_is_taken_where_one_is_named(archive: FakeArchive, base: LockedBase, version: str) -> None:
    """Exactly, or by a pattern as apt has it; what it needs has to fit."""
    pins = {"git": "1:2.39.2-1"}

    assert added(archive, base, f"git={version}", "git-man=1:2.39.2-1").items() >= pins.items()


def test_what_the_base_has_adds_nothing(archive: FakeArchive, base: LockedBase) -> None:
    """A name of the base, and one that it provides, are there already."""
    assert added(archive, base, "python3", "tzdata=1") == {}


def test_a_virtual_package_is_its_provider(archive: FakeArchive, base: LockedBase) -> None:
    """As apt installs the only one that provides it."""
    assert added(archive, base, "mail-transport-agent") == {"exim4": "1"}


@pytest.mark.parametrize(
    ("wanted", "code", "what", "fix"),
    [
        ("gitt", "IW206", "no Debian package 'gitt'", "did you mean 'git'?"),
        ("git=9", "IW206", "no package 'git' of version 9", '"git=1:2.39.5-1"'),
        ("git=1:2.39.2-1", "IW206", "'git' cannot be installed", ""),
        ("nowhere=1", "IW206", "no package 'nowhere' of version 1", ""),
        ("libc6=2", "IW206", "no package 'libc6' of version 2", '"libc6=1"'),
        ("no-libc", "IW206", "'no-libc' cannot be installed", ""),
        (
            "git/bookworm-backports",
            "IW206",
            "Debian has no suite 'bookworm-backports'",
            '"/bookworm-backports" is that of backports',
        ),
        ("less/bookworm-updates", "IW206", "Debian's bookworm-updates has no package 'less'", '"less"'),
        ("git:arm64", "IW204", "only name, name=version and name/suite", '"git"'),
        ("git/a=1", "IW204", "only name, name=version and name/suite", '"git"'),
    ],
)
def test_what_cannot_be_had_is_said(
    archive: FakeArchive, base: LockedBase, wanted: str, code: str, what: str, fix: str
) -> None:
    """The name, what there is, and what to write."""
    with pytest.raises(LockError) as refused:
        added(archive, base, wanted)

    assert refused.value.code == code
    assert what in refused.value.what
    assert "".join(refused.value.fix) == fix


def test_apt_is_given_the_files_and_nothing_else(archive: FakeArchive, base: LockedBase) -> None:
    """No source, no network; what was not asked for is marked as having come along."""
    debs = resolve_apt(base, ["git"], archive.place())

    how = install(["git=1:2.39.5-1"], debs)
    texts = dict(how.texts)

    assert [file_name(deb) for deb in debs] == ["git.deb", "git-man.deb", "perl.deb"]
    assert "install -qq --no-install-recommends ./git.deb ./git-man.deb ./perl.deb\n" in texts["install.sh"]
    assert "for name in git-man perl; do" in texts["install.sh"]
    assert texts["sources.list"] == ""
    assert set(how.env) == {"PATH", "LANG", "HOME", "DEBIAN_FRONTEND", "APT_CONFIG"}
    assert "var/log/" not in IGNORED  # folders of logs are the packages'


def test_folders_of_manual_pages_are_there_while_packages_are_installed(
    archive: FakeArchive, base: LockedBase, tmp_path: Path
) -> None:
    """update-alternatives links into them, and fails where documentation is left out; what stays empty is taken away."""
    script = dict(install(["git"], resolve_apt(base, ["git"], archive.place())).texts)["install.sh"]
    share = tmp_path / "share"
    lines = [line.replace("/usr/share", str(share)) for line in script.splitlines()]
    first, ran = lines.index("man="), next(n for n, line in enumerate(lines) if line.startswith("apt-get install"))
    lines[ran] = f"test -d {share}/man/man8 && touch {share}/man/man1/java.1"

    subprocess.run(["sh", "-e", "-c", "\n".join(lines[first : ran + 2])], check=True, timeout=60)

    assert sorted(str(path.relative_to(share)) for path in share.rglob("*")) == [
        "man",
        "man/man1",
        "man/man1/java.1",
    ]


@pytest.fixture
def backports(archive: FakeArchive, base: LockedBase) -> LockedBase:
    stanzas = [
        stanza("git", "1:2.47-1~bpo12+1", Depends="libc6, perl, git-man (>= 1:2.47), libnew"),
        stanza("git-man", "1:2.47-1~bpo12+1"),
        stanza("perl", "5.40~bpo12+1"),
        stanza("libnew", "1~bpo12+1"),
        stanza("libc6", "2~bpo12+1"),
    ]
    archive.suite("bookworm-backports", "\n".join(stanzas), origin="Debian Backports")
    return base


def test_a_suite_is_taken_for_what_is_asked_of_it(archive: FakeArchive, backports: LockedBase) -> None:
    """The package, and of its dependencies what no other suite can give; perl stays that of the release."""
    assert added(archive, backports, "git/bookworm-backports") == {
        "git": "1:2.47-1~bpo12+1",
        "git-man": "1:2.47-1~bpo12+1",
        "libnew": "1~bpo12+1",
        "perl": "5.36",
    }
    assert added(archive, backports, "git") == {"git": "1:2.39.5-1", "git-man": "1:2.39.5-1", "perl": "5.36"}
    assert added(archive, backports, "perl/bookworm", "git") == added(archive, backports, "git")


def test_a_suite_cannot_replace_what_the_base_has(archive: FakeArchive, backports: LockedBase) -> None:
    """A base's packages stay as they are."""
    with pytest.raises(LockError, match="the base image has libc6 1, not 2~bpo12"):
        added(archive, backports, "libc6/bookworm-backports")


def test_a_suite_of_another_name_is_refused(archive: FakeArchive, base: LockedBase) -> None:
    """A good signature alone could be that of any suite."""
    archive.suite("bookworm-backports", stanza("git"), codename="trixie-backports")

    with pytest.raises(LockError, match="is not the archive that it should be"):
        added(archive, base, "git/bookworm-backports")


def test_a_base_that_the_archive_has_left_behind_is_said(archive: FakeArchive, base: LockedBase) -> None:
    """Its packages are gone from the archive, so nothing can be fitted to them."""
    archive.suite("bookworm", "\n".join(STANZAS).replace("Package: libc6\nVersion: 1", "Package: libc6\nVersion: 2"))

    with pytest.raises(LockError, match="libc6 1, which Debian's archive does not have any more") as refused:
        resolve_apt(base, ["git"], archive.place(upgrade=True))
    assert "--upgrade" in str(refused.value.fix)


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("make", "make"),
        ("g++", "g++"),
        ("cc", "gcc"),
        ("dig", "bind9-dnsutils"),
        ("psql", "postgresql-client"),
        ("x", ""),
    ],
)
def test_programs_and_their_packages(program: str, package: str) -> None:
    """The package of a program's own name, another one, or none that is known."""
    assert package_of(program) == package
