"""Locks: what is read from them, and what is written."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagewright.errors import LockError, SpecError
from imagewright.layer.planned import InputFile
from imagewright.oci.digest import Digest, digest_of
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.locked import LockedWheel
from imagewright.packages.pypi.pylock import choose_wheels, pin_wheels, without_userinfo, write_lock
from imagewright.packages.pypi.selection import Selection
from imagewright.packages.target import Target

TARGET = Target(Platform("linux", "amd64"), "3.11", "/usr/bin/python3.11", ("glibc", "2.36"))
HEX = "0" * 64


def lock(packages: str) -> str:
    return f'lock-version = "1.0"\ncreated-by = "test"\n{packages}'


def wheel_package(*filenames: str, name: str = "demo") -> str:
    wheels = ", ".join(
        f'{{ url = "https://user:word@example.com/{filename}", hashes = {{ sha256 = "{HEX}" }} }}'
        for filename in filenames
    )
    return f'[[packages]]\nname = "{name}"\nversion = "1"\nwheels = [{wheels}]\n'


def test_the_best_wheel_of_several(tmp_path: Path) -> None:
    """The newest manylinux level that the target has; the URL without a password."""
    text = lock(
        wheel_package(
            "demo-1-py3-none-any.whl",
            "demo-1-cp311-cp311-manylinux_2_17_x86_64.whl",
            "demo-1-cp311-cp311-manylinux_2_34_x86_64.whl",
            "demo-1-cp311-cp311-manylinux_2_39_x86_64.whl",
            "demo-1-cp311-cp311-manylinux_2_34_aarch64.whl",
        )
    )

    (wheel,) = choose_wheels(text, TARGET, directory=tmp_path)

    assert wheel.url == "https://example.com/demo-1-cp311-cp311-manylinux_2_34_x86_64.whl"
    assert (wheel.digest, wheel.size) == (Digest(f"sha256:{HEX}"), None)


def test_markers_are_the_targets(tmp_path: Path) -> None:
    """A package for another machine is not installed."""
    text = lock(
        wheel_package("demo-1-py3-none-any.whl")
        + wheel_package("other-1-py3-none-any.whl", name="other").replace(
            "wheels", "marker = \"platform_machine == 'aarch64'\"\nwheels"
        )
    )

    assert [wheel.name for wheel in choose_wheels(text, TARGET, directory=tmp_path)] == ["demo"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not a lock", "IW202"),
        ('lock-version = "9.0"\ncreated-by = "test"\npackages = []\n', "IW202"),
        (lock('requires-python = ">=3.12"\npackages = []\n'), "IW203"),
        (lock("environments = [\"python_version == '3.9'\"]\npackages = []\n"), "IW203"),
        (lock(wheel_package("demo-1-cp39-cp39-manylinux_2_17_x86_64.whl")), "IW203"),
        (
            lock(
                f'[[packages]]\nname = "demo"\nversion = "1"\n'
                f'sdist = {{ url = "https://example.com/demo-1.tar.gz", hashes = {{ sha256 = "{HEX}" }} }}\n'
            ),
            "IW203",
        ),
        (lock('[[packages]]\nname = "demo"\ndirectory = { path = "demo" }\n'), "IW204"),
        (
            lock(
                '[[packages]]\nname = "demo"\nvcs = { type = "git", url = "https://example.com/a", commit-id = "1" }\n'
            ),
            "IW204",
        ),
        (
            lock(
                f'[[packages]]\nname = "demo"\narchive = {{ url = "https://example.com/demo.zip",'
                f' hashes = {{ sha256 = "{HEX}" }} }}\n'
            ),
            "IW204",
        ),
    ],
)
def test_what_cannot_be_installed(tmp_path: Path, text: str, code: str) -> None:
    """Other locks, other environments, and what has to be built, each with its code."""
    with pytest.raises(LockError) as caught:
        choose_wheels(text, TARGET, directory=tmp_path)

    assert caught.value.code == code


def test_paths_are_relative_to_the_lock(tmp_path: Path) -> None:
    """A local wheel becomes a file: URL; its version is in its name."""
    text = lock(
        f'[[packages]]\nname = "demo"\narchive = {{ path = "../dist/demo-2%2B.whl", hashes = {{ sha256 = "{HEX}" }} }}\n'
    )
    text = text.replace("demo-2%2B.whl", "demo-2+cpu-py3-none-any.whl")

    (wheel,) = choose_wheels(text, TARGET, directory=tmp_path / "locks")

    assert wheel.url == f"file://{tmp_path}/dist/demo-2%2Bcpu-py3-none-any.whl"
    assert wheel.version == "2+cpu"


def test_only_what_is_open_is_pinned(tmp_path: Path) -> None:
    """A wheel with digest and size is taken as it is."""
    text = lock(wheel_package("demo-1-py3-none-any.whl") + wheel_package("whole-1-py3-none-any.whl", name="whole"))
    chosen = choose_wheels(text, TARGET, directory=tmp_path)
    chosen = tuple(replace(wheel, size=7) if wheel.name == "whole" else wheel for wheel in chosen)
    asked: list[str] = []

    def pin(url: str, digest: Digest | None) -> InputFile:
        asked.append(url)
        return InputFile(url, digest or digest_of(b""), 5)

    wheels = pin_wheels(chosen, pin)

    assert [(wheel.name, wheel.file.size) for wheel in wheels] == [("demo", 5), ("whole", 7)]
    assert asked == ["https://example.com/demo-1-py3-none-any.whl"]


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers(0, 1 << 40), st.binary(max_size=4)),
        unique_by=lambda item: item[0],
    )
)
def test_a_lock_that_was_written_is_read_the_same(items: list[tuple[str, int, bytes]]) -> None:
    """Whatever the order in which the wheels came."""
    wheels = tuple(
        LockedWheel(name, "1", InputFile(f"https://example.com/{name}-1-py3-none-any.whl", digest_of(data), size))
        for name, size, data in items
    )

    text = write_lock(wheels, TARGET)
    chosen = choose_wheels(text, TARGET, directory=Path("/"))

    assert text == write_lock(wheels[::-1], TARGET)
    assert [(wheel.name, wheel.url, wheel.digest, wheel.size) for wheel in chosen] == [
        (wheel.name, wheel.file.url, wheel.file.digest, wheel.file.size) for wheel in sorted(wheels)
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:word@example.com:8443/a@b?c=d", "https://example.com:8443/a@b?c=d"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("file:///a/b@c.whl", "file:///a/b@c.whl"),
    ],
)
def test_userinfo_is_taken_out(url: str, expected: str) -> None:
    """Only in front of the host is it a login."""
    assert without_userinfo(url) == expected


def test_extras_and_groups_of_a_lock(tmp_path: Path) -> None:
    """The default groups unless they are left out, and what is asked for; a name that the lock lacks is refused."""
    packages = "".join(
        wheel_package(f"{name}-1-py3-none-any.whl", name=name).replace("wheels", f'marker = "{marker}"\nwheels')
        for name, marker in (
            ("fast", "'gpu' in extras"),
            ("linter", "'dev' in dependency_groups"),
            ("writer", "'docs' in dependency_groups"),
        )
    )
    text = lock('extras = ["gpu"]\ndependency-groups = ["dev", "docs"]\ndefault-groups = ["docs"]\n' + packages)

    def names(selection: Selection) -> list[str]:
        return [wheel.name for wheel in choose_wheels(text, TARGET, directory=tmp_path, selection=selection)]

    assert names(Selection()) == ["writer"]
    assert names(Selection(extras=("GPU",), groups=("dev",))) == ["fast", "linter", "writer"]
    assert names(Selection(all_extras=True, without_groups=("docs",))) == ["fast"]
    assert names(Selection(all_groups=True)) == ["linter", "writer"]
    with pytest.raises(SpecError, match="the lock has no extra 'nope'"):
        names(Selection(extras=("nope",)))
    with pytest.raises(SpecError, match="the lock has no group 'nope'"):
        names(Selection(groups=("nope",)))
