"""Which Debian release has which Python, and what a base of it is made of."""

from imagewright.dataclass import dataclass
from imagewright.errors import LockError

ARCHITECTURES = {"amd64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian release. ``codename`` never moves on to another release, as "stable" and "testing" do.

    ``extra`` are packages on top of `COMMON`: parts of Python's standard library that this release keeps apart.
    ``first`` are chosen before all others, so that they decide an alternative of an essential package. ``testing`` has
    no complete set of suites. ``libc`` and ``python_full_version`` are the upstream versions of libc6 and Python that a
    stable release is expected to keep, or "".
    """

    codename: str
    number: str
    python: str
    first: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    testing: bool = False
    libc: str = ""
    python_full_version: str = ""


RELEASES = (
    Release("bullseye", "11", "3.9", extra=("python3-distutils",), libc="2.31", python_full_version="3.9.2"),
    Release(
        "bookworm", "12", "3.11", ("usr-is-merged",), ("python3-distutils",), libc="2.36", python_full_version="3.11.2"
    ),
    Release("trixie", "13", "3.13", libc="2.41", python_full_version="3.13.5"),
    Release("forky", "14", "3.14", testing=True),
)

COMMON = ("apt", "ca-certificates", "libgomp1", "netbase", "python3", "tzdata")
"""What every base has besides the essential packages; docs/decisions/0050 says why each."""


def release_for(python: str) -> Release:
    """The release whose own Python is ``python``.

    Raises:
        LockError: There is none (IW204).
    """
    for release in RELEASES:
        if release.python == python:
            return release
    known = ", ".join(f"{release.python} (Debian {release.number})" for release in RELEASES)
    raise LockError(
        f"the default base image has no Python {python}",
        code="IW204",
        why=f"it is made of Debian packages, and no Debian release ships that version; there are {known}",
        fix=(
            "python_version=" + " or ".join(f'"{release.python}"' for release in RELEASES),
            f'base_image="python:{python}-slim", an image of a registry that has it',
            f"a standalone CPython {python} on a base image of your own",
        ),
    )


def release_named(codename: str) -> Release:
    """The release of that codename.

    Raises:
        KeyError: It is not one that a base is made of.
    """
    for release in RELEASES:
        if release.codename == codename:
            return release
    raise KeyError(codename)
