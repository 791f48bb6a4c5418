from dataclasses import replace
from pathlib import Path

import pytest
from tests.build.locks import DEBIAN, IMAGE, deb, lock, moved, wheel

from imagewright.build.change_text import sentence
from imagewright.build.changes import asked_changes, changes_between, locked_changes
from imagewright.build.ingredients import Ingredients, ingredients_of
from imagewright.build.lock import Lock, LockedSpec
from imagewright.events import Change
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of, hex_of
from imagewright.packages.conda.locked import LockedConda, LockedEnvironment
from imagewright.spec import ImageSpec

SIX, NEWER_SIX = wheel("six", "1.16.0"), wheel("six", "1.17.0")


def said(changes: tuple[Change, ...]) -> list[str]:
    return [f"{change.kind}: {sentence(change)}" for change in changes]


def test_equal_locks_have_no_changes() -> None:
    """Whatever their bases are."""
    for made in (lock(SIX), lock(SIX, base=IMAGE), replace(lock(SIX), base=LockedSpec(lock(NEWER_SIX)))):
        assert locked_changes(made, made) == ()


def test_packages_are_changed_added_and_removed() -> None:
    """By name, with both versions."""
    before = lock(SIX, wheel("idna", "3.10"), apt=(deb("git", "1:2.39.2"),))
    after = lock(NEWER_SIX, wheel("attrs", "25.1"), apt=(deb("git", "1:2.39.5"), deb("less", "590")))

    assert said(locked_changes(before, after)) == [
        "debian: git 1:2.39.2 -> 1:2.39.5",
        "debian: + less 590",
        "package: + attrs 25.1",
        "package: - idna 3.10",
        "package: six 1.16.0 -> 1.17.0",
    ]


def test_one_version_of_two_files_is_a_change() -> None:
    """A wheel that was published again, or of another build: its digest tells."""
    other = wheel("six", "1.16.0", b"other")

    (change,) = locked_changes(lock(SIX), lock(other))

    assert change.before == f"1.16.0 {hex_of(SIX.file.digest)[:12]}"
    assert change.after == f"1.16.0 {hex_of(other.file.digest)[:12]}"


def test_conda_packages_are_told_from_wheels_of_the_same_name() -> None:
    """By their build, too: it says what they were built with."""

    def environment(build: str) -> LockedEnvironment:
        file = InputFile("https://example.com/c/linux-64/six.conda", digest_of(build.encode()), 1)
        return LockedEnvironment("/opt/conda", (LockedConda("six", "1.16.0", build, "", file),), ("six",))

    before, after = (replace(lock(SIX), conda=environment(build)) for build in ("py311_0", "py311_1"))

    assert said(locked_changes(before, after)) == ["conda: six 1.16.0 py311_0 -> 1.16.0 py311_1"]


def test_a_base_that_moved_is_named_with_both_digests() -> None:
    """As a reviewer compares them with what the registry shows."""
    changes = locked_changes(lock(base=IMAGE), lock(base=moved(IMAGE, b"later")))

    old, new = hex_of(digest_of(b"manifest"))[:12], hex_of(digest_of(b"later"))[:12]
    assert said(changes) == [f"base: docker.io/library/python:3.11-slim {old} -> {new}"]


def test_another_kind_of_base_does_not_list_its_packages_as_removed() -> None:
    """That the base is another one says it all."""
    changes = locked_changes(lock(base=DEBIAN), lock(base=IMAGE))

    assert {change.kind for change in changes} == {"base"}
    assert said(changes)[0].startswith("base: debian bookworm + python 3.11 -> docker.io/library/python:3.11-slim ")
    assert said(changes)[1] == "base: python 3.11.2 -> 3.11.9"


def test_the_packages_of_the_debian_base_are_compared() -> None:
    """A security update shows."""
    updated = replace(DEBIAN, debs=(deb("libc6", "2.36-10"), deb("python3.11", "3.11.2-6")))

    assert said(locked_changes(lock(), lock(base=updated))) == ["debian: libc6 2.36-9 -> 2.36-10"]


def test_what_was_asked_for_comes_first_by_field(tmp_path: Path) -> None:
    """A package of pip and one of Debian are not taken for each other, and a requirements file is named."""
    (tmp_path / "requirements.txt").write_text("idna\n")
    before = ImageSpec(
        packages=["six==1.16.0"], python_version="3.11", requirements="requirements.txt", directory=tmp_path
    )
    old = before.content
    (tmp_path / "requirements.txt").write_text("idna<4\n")
    after = ImageSpec(
        packages=["six==1.17.0"],
        apt_packages=["six"],
        python_version="3.12",
        requirements="requirements.txt",
        directory=tmp_path,
    )

    assert said(asked_changes(old, after.content)) == [
        "asked: packages: six==1.16.0 -> six==1.17.0",
        "asked: apt_packages: + six",
        "asked: python: 3.11 -> 3.12",
        "asked: requirements.txt changed",
    ]


def test_all_that_is_in_an_image_is_compared(tmp_path: Path) -> None:
    """Environment, commands, files, entrypoint: what no lock file speaks of."""
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "b.txt").write_text("2")
    before = ImageSpec(
        env={"A": "1", "B": "x y"}, commands=["make", "make install"], copy=["a.txt"], directory=tmp_path
    )
    old = ingredients_of(before, lock())
    (tmp_path / "a.txt").write_text("changed")
    after = ImageSpec(
        env={"A": "2"}, commands=["./configure", "make"], copy=["a.txt", "b.txt"], entrypoint=["sh"], directory=tmp_path
    )

    changes = changes_between(old, ingredients_of(after, lock()))

    assert said(changes) == [
        "env: A=1 -> 2",
        "env: - B=x y",
        "command: + ./configure",
        "command: - make install",
        "file: a.txt changed",
        "file: + b.txt",
        'setting: + entrypoint=["sh"]',
    ]


def test_a_lock_file_is_compared_in_what_it_speaks_of() -> None:
    """It says nothing of the environment, which is therefore no change."""
    spec = ImageSpec(env={"A": "1"}, packages=["six"])
    image = ingredients_of(spec, lock(SIX))
    file = Ingredients(lock(NEWER_SIX), {"packages": ["six"], "python": "3.11"}, whole=False)

    assert said(changes_between(image, file)) == ["package: six 1.16.0 -> 1.17.0"]


def nested(python_package: str, command: str) -> tuple[ImageSpec, Lock]:
    base = ImageSpec(packages=[python_package], commands=[command], env={"A": "1"})
    spec = ImageSpec(base_image=base, packages=["idna"], env={"B": "2"}, commands=["last"])
    name, _, version = python_package.partition("==")
    return spec, replace(lock(wheel("idna", "3.10")), base=LockedSpec(lock(wheel(name, version))))


def test_the_specs_below_an_image_are_compared_as_one() -> None:
    """What changed in a base that is another spec is named as what changed."""
    before = ingredients_of(*nested("six==1.16.0", "make"))
    after = ingredients_of(*nested("six==1.17.0", "make all"))

    assert said(changes_between(before, after)) == [
        "asked: packages: six==1.16.0 -> six==1.17.0",
        "package: six 1.16.0 -> 1.17.0",
        "command: - make",
        "command: + make all",
    ]


@pytest.mark.parametrize(("before", "after", "text"), [("1", "2", "a 1 -> 2"), ("", "2", "+ a 2"), ("1", "", "- a 1")])
def test_a_change_is_said_in_a_few_words(before: str, after: str, text: str) -> None:
    """What is there on one side alone has a sign."""
    assert sentence(Change("package", "a", before, after)) == text
