"""``apt_snapshot``: Debian's packages as they were, from a server that lays its archive out as Debian's snapshots are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.bases import Bases, file
from tests.end_to_end.conftest import Run
from tests.end_to_end.debs import snapshots
from tests.end_to_end.test_base_images import bases as bases  # a fixture

from imagewright.packages.deb.mirror import Mirrors
from imagewright.packages.deb.signature import DEFAULT_KEYRING

pytestmark = [pytest.mark.network, pytest.mark.root]

MOMENT = "20260520T000000Z"
APP = """
from imagewright import ImageSpec
image = ImageSpec("then", apt_packages=["tree"], apt_snapshot="2026-05-20", {spec})
"""


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, list[str]]]:
    """The address of the server, and the paths that it was asked for."""
    with snapshots(MOMENT) as made:
        yield made


def test_the_default_base_and_its_packages_are_of_that_time(
    imagewright: Run, served: tuple[str, list[str]], tmp_path: Path
) -> None:
    """The lock names the time and no host; the mirror of today is not asked."""
    address, asked = served
    (tmp_path / "app.py").write_text(APP.format(spec=""))

    locked = imagewright("lock", "app.py", "--upgrade", "--debian-snapshots", address)

    assert locked.returncode == 0, locked.stderr
    text = (tmp_path / "imagewright.lock/then-linux-amd64.pylock.toml").read_text()
    assert f'url = "deb:debian@{MOMENT}/pool/main/t/tree/' in text
    assert 'url = "deb:debian/' not in text
    assert all(path.startswith("/archive/debian") for path in asked)
    built = imagewright("build", "app.py", "--debian-snapshots", address)
    assert built.returncode == 0, built.stderr


def test_an_image_of_debian_is_asked_at_that_time(
    imagewright: Run, bases: Bases, served: tuple[str, list[str]], tmp_path: Path
) -> None:
    """Its own lists name the archive, its own keys prove it; only the address is another."""
    address, asked = served
    sources = "deb [signed-by=/etc/apt/debian-archive-keyring.gpg] http://mirror.example.com/debian bookworm main\n"
    bases.make(
        "then",
        [
            file("etc/apt/sources.list", sources.encode()),
            file("etc/apt/debian-archive-keyring.gpg", DEFAULT_KEYRING.read_bytes()),
        ],
    )
    (tmp_path / "app.py").write_text(APP.format(spec=f'base_image="oci:{bases.layout.root}:then"'))
    before = len(asked)

    built = imagewright("build", "app.py", "--force", "--upgrade", "--debian-snapshots", address)

    assert built.returncode == 0, built.stderr
    assert any(f"/{MOMENT}/dists/bookworm/InRelease" in path for path in asked[before:])


def test_without_an_address_what_to_set_is_said(imagewright: Run, tmp_path: Path) -> None:
    """There is none that everybody has."""
    (tmp_path / "app.py").write_text(APP.format(spec=""))

    failed = imagewright("build", "app.py", "--upgrade")

    assert failed.returncode == 3
    assert "IW206" in failed.stderr
    assert "--debian-snapshots http://snapshot.example.com/archive" in failed.stderr


def test_ubuntu_has_no_such_snapshots(
    imagewright: Run, bases: Bases, served: tuple[str, list[str]], tmp_path: Path
) -> None:
    """The lock pins its versions; a date would be passed over."""
    bases.make("ubuntu", [file("etc/apt/sources.list", b"deb http://archive.example.com/ubuntu noble main\n")])
    (tmp_path / "app.py").write_text(APP.format(spec=f'base_image="oci:{bases.layout.root}:ubuntu"'))

    failed = imagewright("build", "app.py", "--debian-snapshots", served[0])

    assert "IW204" in failed.stderr
    assert "apt_snapshot is of Debian's archive" in failed.stderr


def test_mirrors_know_snapshots() -> None:
    """An address of snapshots alone is enough for a lock that names a time."""
    assert Mirrors("", snapshots="http://s.example.com").url("deb:debian@T/a") == "http://s.example.com/debian/T/a"
