"""What an image's apt answers, read."""

import pytest

from imagewright.errors import LockError
from imagewright.packages.deb.apt_ask import answer, question

DIGEST = "a" * 64
PLAN = [
    "@@imagewright plan",
    "Reading package lists...",
    "'http://user:secret@a.example.com/debian/pool/g/git_2.39_amd64.deb' git_1%3a2.39-1_amd64.deb 724 SHA512:00",
    "@@imagewright show",
    "Package: git",
    "Version: 1:2.39-1",
    f"SHA256: {DIGEST}",
    "Description: fast",
    " and long",
    "@@imagewright end",
]


def test_packages_are_pinned_by_sha256() -> None:
    """Name, version, architecture and size as apt says them; a login of the image stays in the image."""
    (deb,) = answer(PLAN, ["git"], "base")

    assert (deb.name, deb.version, deb.architecture, deb.file.size) == ("git", "1:2.39-1", "amd64", 724)
    assert deb.file.url == "http://a.example.com/debian/pool/g/git_2.39_amd64.deb"
    assert deb.file.digest == f"sha256:{DIGEST}"


def failed(*said: str, more: tuple[str, ...] = ()) -> list[str]:
    names = ["@@imagewright names", "git", "gitk", "curl", "@@imagewright end"]
    return ["@@imagewright plan", "@@imagewright failed", *said, "@@imagewright versions", *more, *names]


@pytest.mark.parametrize(
    ("lines", "what", "why", "fix"),
    [
        (failed("E: Unable to locate package gitt"), "no Debian package 'gitt' for the base image base", "no suite", "'git'"),
        (failed("E: Package 'curll' has no installation candidate"), "no Debian package 'curll'", "no suite", "'curl'"),
        (
            failed("E: Version '9' for 'git' was not found", more=(" git | 1:2.39 | http://a main", " git | 1:2.30 | http://a")),
            "'git' of version 9",
            "1:2.39, 1:2.30",
            "git=1:2.39",
        ),
        (failed("E: Release 'sid' for 'git' was not found"), "no suite 'sid' that has 'git'", "no package", ""),
        (
            failed("The following packages have unmet dependencies:", " a : Conflicts: b", "E: Unable to correct problems"),
            "apt cannot install git, gitt",
            "a : Conflicts: b",
            "leave out",
        ),
        (
            ["@@imagewright update", "E: Failed to fetch http://a.example.com/InRelease", "@@imagewright update failed", *PLAN],
            "archives that the base image base names in /etc/apt cannot be asked",
            "Failed to fetch",
            "--debian-mirror",
        ),
        (["@@imagewright update", "W: Some index files failed to download. They have been ignored.", *PLAN], "cannot be asked", "ignored", ""),
        (["sh: apt-get: not found"], "gave no answer", "not found", ""),
        ([line.replace("http:", "file:") for line in PLAN], "takes git from file:", "file:", "http or https"),
        ([line.replace(DIGEST, "") for line in PLAN], "says no SHA256 of git", "http", ""),
        ([*PLAN[:2], "'http://a/b c' d", *PLAN[3:]], "cannot be read", "'http://a/b c' d", ""),
        ([line.replace(" git_1", " ../../git_1") for line in PLAN], "cannot be read", "../../git", ""),
    ],
)  # fmt: skip
def test_what_apt_refuses_is_said(lines: list[str], what: str, why: str, fix: str) -> None:
    """The name that was meant, the versions that are there, or apt's own words."""
    with pytest.raises(LockError) as refused:
        answer(lines, ["git", "gitt"], "base")

    assert what in refused.value.what
    assert why in str(refused.value.why)
    assert fix in str(refused.value.fix)


def test_the_image_own_lists_are_used_where_nothing_else_is_said() -> None:
    """Other sources stand in for them, and may be past their date; offline nothing is brought up to date."""
    texts = dict(question(["git"], "/given", "/scratch", sources="", update=True).texts)
    other = dict(question(["git"], "/given", "/scratch", sources="Types: deb\n", update=False).texts)

    assert "Dir::Etc" not in texts["apt.conf"]
    assert "apt-get -q update" in texts["ask.sh"]
    assert 'Dir::Etc::sourceparts "/given"' in other["apt.conf"]
    assert "update" not in other["ask.sh"]
