import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from tests.build.locks import lock, wheel

from imagewright.build.lock_file import lock_text, read_lock, read_lock_file
from imagewright.build.portable import anchored, relative
from imagewright.errors import LockError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import digest_of
from imagewright.spec import ImageSpec

SIX = wheel("six", "1.16.0")


def test_a_lock_file_names_what_it_answers(tmp_path: Path) -> None:
    """Requirements and the digests of the files that hold them; nothing of env and commands, which need no new lock."""
    (tmp_path / "requirements.txt").write_text("idna\n")
    spec = ImageSpec(
        packages=["six<2"], requirements="requirements.txt", env={"A": "1"}, commands=["make"], directory=tmp_path
    )

    required = read_lock_file(lock_text(lock(SIX), spec.content), name="a.toml").content

    assert required["packages"] == ["six<2"]
    assert required["requirements"] == [["requirements.txt", digest_of(b"idna")]]
    assert not {"env", "commands"} & set(required)


def test_the_order_that_values_come_in_does_not_matter() -> None:
    """A lock that was given back by an image is the same text as the one that was built from."""
    content = ImageSpec(packages=["six"], apt_packages=["git"], python_version="3.11").content

    assert lock_text(lock(SIX), content) == lock_text(lock(SIX), dict(reversed(content.items())))


def test_a_local_wheel_is_named_from_the_file(tmp_path: Path) -> None:
    """A lock file is shared with people whose folders are called otherwise; ``path`` is PEP 751's word for it."""
    local = replace(SIX, file=InputFile(f"file://{tmp_path}/di%20st/six-1.16.0-py3-none-any.whl", SIX.file.digest, 3))
    elsewhere = replace(
        wheel("idna", "3"), file=InputFile("file:///srv/wheels/idna-3-py3-none-any.whl", SIX.file.digest, 3)
    )
    made = lock(elsewhere, local)

    text = lock_text(relative(made, tmp_path), {})

    named = [package["wheels"][0] for package in tomllib.loads(text)["packages"]]
    assert named[0]["url"] == "file:///srv/wheels/idna-3-py3-none-any.whl"
    assert named[1]["path"] == "../di st/six-1.16.0-py3-none-any.whl"
    Pylock.from_dict(tomllib.loads(text)).validate()
    assert anchored(read_lock_file(text, name="a.toml").lock, tmp_path) == made
    assert anchored(relative(made, tmp_path), tmp_path) == made


@pytest.mark.parametrize(
    "text", ["", "[", "[tool.imagewright]\nlock = 99\n", "packages = []\n[tool.imagewright]\nlock = 1\nasked = 'x'\n"]
)
def test_a_file_that_is_no_lock_is_named(tmp_path: Path, text: str) -> None:
    """With what writes it again."""
    file = tmp_path / "demo.pylock.toml"
    file.write_text(text)

    with pytest.raises(LockError, match=r"demo\.pylock\.toml is not a lock of imagewright's") as caught:
        read_lock(file)

    assert caught.value.code == "IW209"


def test_a_lock_file_without_its_requirements_is_still_read() -> None:
    """As those were written before they were kept there."""
    text = lock_text(lock(SIX), {})

    assert read_lock_file(text, name="a.toml").content == {}
