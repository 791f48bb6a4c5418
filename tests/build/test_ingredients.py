import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.build.locks import lock, wheel

from imagewright.build.ingredients import ANNOTATION, annotation, ingredients_in, ingredients_of
from imagewright.build.lock import Lock, LockedSpec
from imagewright.build.lock_file import lock_text
from imagewright.build.plan import default_base, plan
from imagewright.errors import LockError
from imagewright.layer.planned import InputFile
from imagewright.packages.deb.locked import LockedBase
from imagewright.spec import ImageSpec

SIX = wheel("six", "1.16.0")


def test_an_image_carries_its_lock_and_what_it_answers() -> None:
    """In an annotation of its manifest, which stays wherever its bytes do."""
    spec = ImageSpec(packages=["six"], env={"A": "b c"})
    made = lock(SIX)
    assert isinstance(made.base, LockedBase)

    found = ingredients_in(plan(spec, made, default_base(made.base), ()).annotations, name="demo")

    assert found is not None
    assert found.lock == made
    assert (found.content["packages"], found.content["env"]) == (["six"], {"A": "b c"})
    assert ingredients_in({}, name="demo") is None


def test_name_registry_and_place_are_not_in_it(tmp_path: Path) -> None:
    """Equal images have equal manifests, whoever builds them and where."""
    made = lock(SIX)
    texts = set()
    for name in ("a", "deeper/b"):
        folder = tmp_path / name
        (folder / "dist").mkdir(parents=True)
        (folder / "dist" / "mine-1-py3-none-any.whl").write_bytes(b"wheel")
        local = InputFile(f"file://{folder}/dist/mine-1-py3-none-any.whl", SIX.file.digest, 5)
        spec = ImageSpec(name.replace("/", "-"), packages=["./dist/mine-1-py3-none-any.whl"], directory=folder)
        texts.add(annotation(spec, replace(made, wheels=(replace(SIX, file=local),))))

    (text,) = texts
    assert "file:dist/mine-1-py3-none-any.whl" in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("file:///home/alice/six.whl", "file:six.whl"),
        ("https://example.com/six.whl?token=s3cr3t#sha256=1", "https://example.com/six.whl"),
    ],
)
def test_what_only_concerns_this_machine_stays_here(url: str, kept: str) -> None:
    """Folders outside of the project, and tokens in queries."""
    made = lock(replace(SIX, file=InputFile(url, SIX.file.digest, 3)))

    found = ingredients_of(ImageSpec(), made)

    assert [one.file.url for one in found.lock.wheels] == [kept]


def test_passwords_of_indexes_are_not_in_it() -> None:
    """Nor are tokens in the queries of URLs, in packages or in what a lock file says that it answers."""
    url = "https://example.com/idna-3-py3-none-any.whl?token=s3cr3t"
    base = ImageSpec(packages=[f"idna @ {url}"])
    spec = ImageSpec(
        packages=["six", f"other @ {url}#sha256=0"],
        pip_index="https://alice:s3cr3t@example.com/simple?token=s3cr3t",
        pip_extra_args=f"--find-links {url}",
        base_image=base,
    )
    made = replace(lock(SIX), base=LockedSpec(lock(SIX)))

    texts = annotation(spec, made), lock_text(made, spec.content)

    assert not any("s3cr3t" in text for text in texts)
    assert all("idna @ https://example.com/idna-3-py3-none-any.whl" in text for text in texts)


def test_many_files_are_named_by_their_folders(tmp_path: Path) -> None:
    """A registry need not take a manifest over 4 MiB; a changed file changes its folder's digest."""
    data = tmp_path / "data"
    data.mkdir()
    for number in range(2100):
        (data / str(number)).write_text("")
    (tmp_path / "one.txt").write_text("")

    def files() -> Any:
        spec = ImageSpec(copy=["data", "one.txt"], directory=tmp_path)
        return ingredients_of(spec, lock()).content["files"]

    before = files()
    (data / "7").write_text("changed")
    after = files()

    assert [row[:2] for row in before] == [["data/", "folder of 2100"], ["one.txt", "file"]]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_base_that_is_a_spec_is_in_it() -> None:
    """With its own lock and what that answers."""
    base = ImageSpec(packages=["six"])
    spec = ImageSpec(base_image=base, packages=["idna"])
    made = replace(lock(wheel("idna", "3.10")), base=LockedSpec(lock(SIX)))

    below = ingredients_of(spec, made).below

    assert below is not None
    assert below.lock == lock(SIX)
    assert below.content["packages"] == ["six"]
    assert below.below is None


def damaged(change: str) -> str:
    document: dict[str, Any] = json.loads(annotation(ImageSpec(packages=["six"]), lock(SIX)))
    match change:
        case "version":
            document["version"] = 99
        case "packages":
            document["content"]["packages"] = "six"
        case "files":
            document["content"]["files"] = [7]
        case "wheels":
            document["lock"]["wheels"] = [["six"]]
        case "digest":
            document["lock"]["wheels"][0][3] = "sha256:../.."
        case "base":
            document["lock"]["base"]["debs"] = []
        case "env":
            document["content"]["env"] = ["A"]
        case "spec":
            document["content"]["base_image"] = {"spec": []}
        case "text":
            return "[" * 100_000
    return json.dumps(document)


@pytest.mark.parametrize("change", ["version", "packages", "files", "wheels", "digest", "base", "env", "spec", "text"])
def test_what_somebody_else_wrote_there_is_refused(change: str) -> None:
    """An annotation comes from whoever pushed the image."""
    with pytest.raises(LockError, match="the lock that demo carries cannot be read") as caught:
        ingredients_in({ANNOTATION: damaged(change)}, name="demo")

    assert caught.value.code == "IW209"


def test_a_lock_is_the_same_after_its_way_with_an_image() -> None:
    """As it is in memory, so it comes back."""
    made: Lock = lock(SIX, wheel("idna", "3.10"))

    assert ingredients_of(ImageSpec(), made).lock == made
