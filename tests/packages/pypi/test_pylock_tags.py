"""What a target accepts, in the words of packaging and uv."""

import sys
from dataclasses import replace

import pytest
from packaging.tags import sys_tags

from imagewright.errors import LockError
from imagewright.oci.platform import Platform
from imagewright.packages.pypi.pylock_tags import environment, full_version, uv_platform, wheel_tags
from imagewright.packages.target import Target


@pytest.mark.parametrize(
    ("libc", "architecture", "expected"),
    [
        (("glibc", "2.36"), "amd64", "x86_64-manylinux_2_36"),
        (("glibc", "2.36"), "arm64", "aarch64-manylinux_2_36"),
        (("glibc", "2.31"), "amd64", "x86_64-manylinux_2_31"),
        (("glibc", "2.30"), "amd64", "x86_64-manylinux_2_28"),
        (("glibc", "2.41"), "amd64", "x86_64-manylinux_2_40"),
        (("glibc", "2.17"), "amd64", "x86_64-manylinux_2_17"),
        (("musl", "1.2"), "arm64", "aarch64-unknown-linux-musl"),
    ],
)
def test_uvs_platform(target: Target, libc: tuple[str, str], architecture: str, expected: str) -> None:
    """The highest level that both uv and the C library reach: never one that the image does not have."""
    assert uv_platform(replace(target, libc=libc, platform=Platform("linux", architecture))) == expected


def test_too_old_a_libc(target: Target) -> None:
    """CentOS 6 has no wheels any more."""
    with pytest.raises(LockError, match=r"glibc 2\.12"):
        uv_platform(replace(target, libc=("glibc", "2.12")))


def test_an_architecture_without_wheels(target: Target) -> None:
    """The platform is named."""
    with pytest.raises(LockError, match="linux/s390x"):
        environment(replace(target, platform=Platform("linux", "s390x")))


def test_the_tags_of_this_interpreter(target: Target) -> None:
    """For the interpreter that runs the tests they are the ones that packaging finds by itself, in the same order."""
    own = [tag for tag in sys_tags() if "linux" in tag.platform or tag.platform == "any"]
    levels = [tag.platform.split("_")[1:3] for tag in own if tag.platform.startswith("manylinux_")]
    machine = "amd64" if own[0].platform.endswith("x86_64") else "arm64"
    here = replace(
        target,
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        platform=Platform("linux", machine),
        libc=("glibc", ".".join(levels[0])),
    )

    assert list(wheel_tags(here)) == own


def test_markers(target: Target) -> None:
    """The environment is the target's: the whole version where it is known."""
    values = environment(replace(target, python_full_version="3.11.2", platform=Platform("linux", "arm64")))

    assert values["python_full_version"] == "3.11.2"
    assert (values["platform_machine"], values["sys_platform"]) == ("aarch64", "linux")
    assert full_version(target) == "3.11.0"
