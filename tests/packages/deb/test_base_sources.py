"""Source lists of other people's images, read and changed."""

import pytest

from imagewright.errors import LockError
from imagewright.packages.deb.base_sources import (
    entries_of,
    has_debian,
    moved,
    text_of,
    with_suites,
    without_host,
)
from imagewright.packages.deb.mirror import Mirrors

ONE_LINE = """\
# a comment
deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a.example.com/debian bookworm main contrib
deb http://a.example.com/debian-security bookworm-security main
deb [signed-by=/etc/apt/keyrings/tool.gpg] https://tool.example.com/linux/debian bookworm stable
"""
DEB822 = """\
Types: deb
URIs: http://a.example.com/debian
Suites: bookworm bookworm-updates bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ

enabled: no
types: deb
uris: http://old.example.com/debian
suites: bookworm
components: main
"""
OURS = Mirrors("http://b.example.com/debian", "http://b.example.com/debian-security")


def test_both_forms_say_the_same() -> None:
    """One-line lists become paragraphs, options become fields; what is disabled is left out."""
    entries = entries_of([("sources.list", ONE_LINE), ("debian.sources", DEB822), ("README", "text")])

    assert [entry["URIs"] for entry in entries] == [
        "http://a.example.com/debian",
        "http://a.example.com/debian-security",
        "https://tool.example.com/linux/debian",
        "http://a.example.com/debian",
    ]
    assert entries[0]["Architectures"] == "amd64 arm64"
    assert entries[0]["Components"] == "main contrib"
    assert entries_of([("again.sources", text_of(entries))]) == entries


def test_only_debians_own_archives_move() -> None:
    """Suites of the security archive to its mirror; another archive with a suite of the same name stays."""
    entries = entries_of([("sources.list", ONE_LINE)])

    assert [(one["URIs"], one["Suites"]) for one in moved(entries, OURS, "")] == [
        ("http://b.example.com/debian", "bookworm"),
        ("http://b.example.com/debian-security", "bookworm-security"),
        ("https://tool.example.com/linux/debian", "bookworm"),
    ]
    assert has_debian(entries)
    assert not has_debian(entries[2:])


def test_a_snapshot_moves_them_to_a_time() -> None:
    """A paragraph with suites of both archives becomes two. Keys that stand in it stay."""
    entries = [
        {**entry, "Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg"}
        for entry in entries_of([("debian.sources", DEB822)])
    ]
    mirrors = Mirrors("", snapshots="http://s.example.com/archive")

    assert [(one["URIs"], one["Suites"]) for one in moved(entries, mirrors, "20250520T000000Z")] == [
        ("http://s.example.com/archive/debian/20250520T000000Z", "bookworm bookworm-updates"),
        ("http://s.example.com/archive/debian-security/20250520T000000Z", "bookworm-security"),
    ]
    with pytest.raises(LockError, match="as they were at"):
        moved(entries, OURS, "20250520T000000Z")


def test_a_suite_that_is_not_listed_is_taken_from_where_its_release_is() -> None:
    """Backports need no line of their own; one that is listed is not listed twice."""
    entries = entries_of([("sources.list", ONE_LINE)])

    more = with_suites(entries, ["bookworm-backports", "bookworm-security", "trixie"])

    assert [(one["URIs"], one["Suites"]) for one in more[len(entries) :]] == [
        ("http://a.example.com/debian", "bookworm-backports")
    ]


@pytest.mark.parametrize(
    ("url", "snapshot", "expected"),
    [
        ("http://b.example.com/debian/pool/a.deb", "", "deb:debian/pool/a.deb"),
        ("http://b.example.com/debian-security/pool/a.deb", "", "deb:debian-security/pool/a.deb"),
        ("http://s.example.com/debian/20250520T000000Z/pool/a.deb", "20250520T000000Z", "deb:debian@20250520T000000Z/pool/a.deb"),
        ("http://c.example.com/debian/pool/a.deb", "", "http://c.example.com/debian/pool/a.deb"),
    ],
)  # fmt: skip
def test_addresses_on_a_mirror_lose_their_host(url: str, snapshot: str, expected: str) -> None:
    """So that the lock holds on a machine that has another mirror."""
    mirrors = Mirrors(OURS.debian, OURS.security, snapshots="http://s.example.com")

    assert without_host(url, mirrors, snapshot) == expected
