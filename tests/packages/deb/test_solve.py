import pytest

from imagewright.errors import LockError
from imagewright.packages.deb.index import Index, Package, Universe, index_path
from imagewright.packages.deb.release import release_file
from imagewright.packages.deb.solve import solve

from .conftest import FakeArchive, stanza


def solved(archive: FakeArchive, wanted: list[str], *stanzas: str) -> list[str]:
    archive.suite("bookworm", "\n".join(stanzas))
    place = archive.place()
    release = release_file(place, "debian", "bookworm", codename="bookworm", optional=False)
    assert release is not None
    index = Index("debian", index_path(place, release, "amd64"))
    packages: tuple[Package, ...] = solve(Universe([index]), wanted)
    index.close()
    return [f"{package.name} {package.version}" for package in packages]


def test_what_is_needed_comes_along(archive: FakeArchive) -> None:
    """Depends and Pre-Depends are followed, Recommends are not."""
    assert solved(
        archive,
        ["a"],
        stanza("a", Depends="b (>= 1)", Pre_Depends="c", Recommends="d"),
        stanza("b"),
        stanza("c", Depends="a"),
        stanza("d"),
    ) == ["a 1", "b 1", "c 1"]


def test_the_highest_version_counts(archive: FakeArchive) -> None:
    """A name that is there twice means the newer one."""
    assert solved(archive, ["a"], stanza("a", "1.10"), stanza("a", "1.9")) == ["a 1.10"]


def test_the_first_alternative_that_can_be_is_taken(archive: FakeArchive) -> None:
    """One that is too old, not there, or in conflict, is passed over."""
    assert solved(
        archive,
        ["keep", "a"],
        stanza("a", Depends="gone | old (>= 2) | clash | good"),
        stanza("old", "1"),
        stanza("clash", Conflicts="keep"),
        stanza("good"),
        stanza("keep"),
    ) == ["a 1", "good 1", "keep 1"]


def test_an_alternative_that_is_there_adds_nothing(archive: FakeArchive) -> None:
    """What was chosen before decides, though it is named last."""
    assert solved(archive, ["z", "a"], stanza("a", Depends="b | z"), stanza("b"), stanza("z")) == ["a 1", "z 1"]


def test_the_more_important_provider_is_taken(archive: FakeArchive) -> None:
    """Of several packages that provide a name: the priority, then the name."""
    assert solved(
        archive,
        ["a"],
        stanza("a", Depends="awk"),
        stanza("gawk", Provides="awk", Priority="optional"),
        stanza("mawk", Provides="awk", Priority="required"),
    ) == ["a 1", "mawk 1"]


def test_a_limit_is_met_by_a_versioned_provides_alone(archive: FakeArchive) -> None:
    """An unversioned Provides meets no limit."""
    assert solved(
        archive,
        ["a"],
        stanza("a", Depends="api (>= 2)"),
        stanza("b", Provides="api"),
        stanza("c", Provides="api (= 1)"),
        stanza("d", Provides="api (= 2)"),
    ) == ["a 1", "d 1"]


def test_a_package_may_conflict_with_what_it_provides(archive: FakeArchive) -> None:
    """That is how one of several implementations is allowed."""
    assert solved(archive, ["m"], stanza("m", Provides="mta", Conflicts="mta")) == ["m 1"]


def test_what_cannot_be_is_explained(archive: FakeArchive) -> None:
    """The error names the dependency that fails."""
    with pytest.raises(LockError) as caught:
        solved(archive, ["a"], stanza("a", Depends="b"), stanza("b", Depends="c (>= 2)"), stanza("c"))

    assert caught.value.code == "IW206"
    assert "b 1 needs c (>= 2)" in caught.value.why


def test_a_name_that_nobody_has_is_an_error(archive: FakeArchive) -> None:
    """It is named."""
    with pytest.raises(LockError, match="'nothing'"):
        solved(archive, ["nothing"], stanza("a"))
