import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.build.locks import AMD64, DEBIAN, deb

from imagewright.build import resolve_anew as module
from imagewright.build.base.lock_base import Below
from imagewright.build.lock import Lock
from imagewright.build.resolve_anew import resolve_anew
from imagewright.build.session import Session
from imagewright.errors import LockError, NetworkError
from imagewright.oci.digest import digest_of
from imagewright.packages.pypi.indexes_pip import PipSettings
from imagewright.packages.pypi.request import Request
from imagewright.packages.pypi.resolve import Resolution
from imagewright.spec import ImageSpec


def base(libc: str) -> Below:
    """A base of Debian 12 with that C library."""
    return Below(replace(DEBIAN, debs=(deb("libc6", f"{libc}-9+deb12u1"), deb("python3.11", "3.11.2-6"))))


class Asked:
    """Stands for the mirror and the indexes: what they answer, and for which C libraries wheels were wanted."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.libcs: list[str] = []
        self.base: Callable[[], Below] = lambda: base("2.36")
        self.wheels: Callable[[], Resolution] = lambda: Resolution((), "")
        patch.setattr(module, "lock_base", lambda *_: self.base())
        patch.setattr(module, "resolve", self._resolve)

    def _resolve(self, request: Request, **_: object) -> Resolution:
        self.libcs.append(request.target.libc[1])
        return self.wheels()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def resolved(folder: Path, spec: ImageSpec) -> Lock:
    return resolve_anew(
        spec, AMD64, digest_of(b"asked"), PipSettings(), Session(folder, registry="local"), None, upgrade=False
    )


SPEC = ImageSpec(name="demo", python_version="3.11", packages=["six"])


def test_wheels_are_found_while_the_base_is(asked: Asked, tmp_path: Path) -> None:
    """For the target that is expected, before the mirror has answered."""
    begun = threading.Event()

    def wheels() -> Resolution:
        begun.set()
        return Resolution((), "")

    def slow() -> Below:
        assert begun.wait(30)
        return base("2.36")

    asked.wheels, asked.base = wheels, slow

    lock = resolved(tmp_path, SPEC)

    assert asked.libcs == ["2.36"]
    assert lock.target.libc == ("glibc", "2.36")


def test_a_base_that_is_other_than_expected(asked: Asked, tmp_path: Path) -> None:
    """Wheels are asked for once more, for what is really there."""
    asked.base = lambda: base("2.40")

    assert resolved(tmp_path, SPEC).target.libc == ("glibc", "2.40")
    assert asked.libcs == ["2.36", "2.40"]


def test_where_nothing_is_expected(asked: Asked, tmp_path: Path) -> None:
    """Of Debian's testing nobody knows what it has today: the base comes first."""
    asked.base = lambda: base("2.45") if not asked.libcs else pytest.fail("wheels were asked for first")

    resolved(tmp_path, ImageSpec(name="demo", python_version="3.14", packages=["six"]))

    assert asked.libcs == ["2.45"]


def test_what_is_wrong_with_the_base_is_said_first(asked: Asked, tmp_path: Path) -> None:
    """Whichever fails first."""

    def no_mirror() -> Below:
        raise NetworkError("no mirror answers")

    def no_wheels() -> Resolution:
        raise LockError("no such package")

    asked.wheels = no_wheels
    with pytest.raises(LockError, match="no such package"):
        resolved(tmp_path, SPEC)
    asked.base = no_mirror
    with pytest.raises(NetworkError, match="no mirror answers"):
        resolved(tmp_path, SPEC)
