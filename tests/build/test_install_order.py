"""In which order packages are installed, and which may overwrite, as a spec and the specs below it say."""

from tests.build.locks import DEBIAN, wheel

from imagewright.build.compatible import wheels_digest
from imagewright.build.install_order import conda_in_order, wheels_in_order
from imagewright.build.lock import Lock, LockedSpec
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of
from imagewright.packages.conda.locked import LockedConda, LockedEnvironment
from imagewright.spec import ImageSpec


def conda(name: str) -> LockedConda:
    url = f"https://example.com/c/noarch/{name}-1-0.conda"
    return LockedConda(name, "1", "0", "generic", InputFile(url, digest_of(b""), 1))


def listing(*names: str, base: ImageSpec | None = None) -> ImageSpec:
    return ImageSpec(base_image=base, builder_options={"allow_overwrite": names})


def test_listed_packages_come_last_and_a_base_stays_below() -> None:
    """A list speaks of its own spec's packages: one that names a package of the base says nothing."""
    below = Lock(digest_of(b""), DEBIAN, (wheel("a", "1"), wheel("b", "1"), wheel("c", "1")))
    lock = Lock(digest_of(b""), LockedSpec(below), (wheel("x", "1"), wheel("y", "1"), wheel("z", "1")))

    wheels, overwriting = wheels_in_order(listing("Y", "c", "x", base=listing("b", "nobody")), lock)

    assert [one.name for one in wheels] == ["a", "c", "b", "z", "y", "x"]
    assert overwriting.packages == {"b", "x", "y"}
    assert overwriting.listed == ("y", "c", "x")
    assert overwriting.absent == ("c",)


def test_one_list_is_for_both_kinds_of_packages() -> None:
    """A conda package that is listed is not missed among the wheels."""
    environment = LockedEnvironment("/opt/imagewright-conda", (conda("_two"), conda("one")))
    lock = Lock(digest_of(b""), DEBIAN, (wheel("six", "1"),), conda=environment)
    spec = listing("-two", "six")

    packages, overwriting = conda_in_order(spec, lock)

    assert [one.name for one in packages] == ["one", "_two"]
    assert overwriting.packages == {"-two"}
    assert not overwriting.absent
    assert wheels_in_order(spec, lock)[1].packages == {"six"}


def test_what_was_found_to_fit_is_remembered_for_its_order() -> None:
    """Wheels that fit because one may overwrite are not remembered as fitting without that; without a list nothing changes."""
    lock = Lock(digest_of(b""), DEBIAN, (wheel("a", "1"), wheel("b", "1")))

    digests = [wheels_digest(listing(*names), lock) for names in ((), ("a",), ("b",), ("a", "b"), ("b", "a"))]

    assert len(set(digests)) == 5
    assert digests[0] == wheels_digest(ImageSpec(), lock) == wheels_digest(listing("other"), lock)
