"""Images are had from the mirrors that podman's and docker's configuration names."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagewright.build.destination import source_of
from imagewright.build.session import Session
from imagewright.errors import UsageError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.oci.reference import Reference
from imagewright.store.copy import copy_image
from imagewright.store.memory import MemoryStore
from imagewright.store.registry.mirrors import Location, locations_of
from imagewright.store.registry.repository import Repository
from imagewright.store.verify import DamagedInTransit
from imagewright.testing.images import MadeImage, make_image
from imagewright.testing.registry import FakeRegistry, Fault
from imagewright.transport import Transport

CONF = """
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror.example.com/hub"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "10.0.0.5:5000"
insecure = true
[[registry]]
prefix = "docker.io/acme"
location = "registry.acme.example/images"
[[registry]]
prefix = "*.blocked.example"
blocked = true
"""


def configured(tmp_path: Path, conf: str = CONF, daemon: object = None) -> Path:
    """A folder as /etc."""
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers" / "registries.conf").write_text(conf)
    if daemon is not None:
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "daemon.json").write_text(json.dumps(daemon))
    return tmp_path


def test_mirrors_come_before_the_registry(tmp_path: Path) -> None:
    """With the path that they are at; the longest prefix counts."""
    etc = configured(tmp_path)

    assert locations_of("docker.io", "library/python", {}, etc) == (
        Location("mirror.example.com", "hub/library/python", serves="digest-only"),
        Location("10.0.0.5:5000", "library/python", plain=True),
        Location("docker.io", "library/python"),
    )
    assert locations_of("docker.io", "acme/demo", {}, etc) == (Location("registry.acme.example", "images/demo"),)
    assert locations_of("docker.io", "acmes/demo", {}, etc)[-1] == Location("docker.io", "acmes/demo")
    assert locations_of("ghcr.io", "acme/demo", {}, etc) == (Location("ghcr.io", "acme/demo"),)
    with pytest.raises(UsageError, match="is blocked"):
        locations_of("a.blocked.example", "acme/demo", {}, etc)


def test_the_file_that_counts(tmp_path: Path) -> None:
    """One that is named, else the user's, else the machine's with its folder."""
    etc = configured(tmp_path)
    folder, user, named = (
        etc / "containers" / "registries.conf.d",
        tmp_path / "home" / ".config",
        tmp_path / "named.conf",
    )
    for path, mirror in (
        (folder / "1.conf", "dropped"),
        (user / "containers" / "registries.conf", "users"),
        (named, "named"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'[[registry]]\nlocation = "ghcr.io"\n[[registry.mirror]]\nlocation = "{mirror}.example.com"\n')

    def first(**environ: str) -> str:
        return locations_of("ghcr.io", "a/b", environ, etc)[0].registry

    assert first() == "dropped.example.com"
    assert first(HOME=str(tmp_path / "home")) == "users.example.com"
    assert first(HOME=str(tmp_path / "home"), CONTAINERS_REGISTRIES_CONF=str(named)) == "named.example.com"


def test_dockers_mirrors_are_of_docker_hub(tmp_path: Path) -> None:
    """And of nothing else."""
    etc = configured(tmp_path, "", {"registry-mirrors": ["https://mirror.example.com/", "http://10.0.0.5:5000"]})

    assert locations_of("docker.io", "library/python", {}, etc) == (
        Location("mirror.example.com", "library/python"),
        Location("10.0.0.5:5000", "library/python", plain=True),
        Location("docker.io", "library/python"),
    )
    assert len(locations_of("ghcr.io", "a/b", {}, etc)) == 1


@pytest.mark.parametrize(
    ("conf", "daemon"),
    [
        ("[[registry]]\nlocation = ", None),
        ('[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "no host/x"', None),
        ('[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "a.b"\npull-from-mirror = "x"', None),
        ("", {"registry-mirrors": ["https://no host"]}),
        ("", []),
    ],
    ids=["no TOML", "no host", "no such rule", "docker's no host", "docker's no table"],
)
def test_a_file_that_cannot_be_read_is_an_error(conf: str, daemon: object, tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(UsageError, match=f"the mirrors in {tmp_path}"):
        locations_of("docker.io", "library/python", {}, configured(tmp_path, conf, daemon))


@pytest.fixture
def mirror() -> Iterator[FakeRegistry]:
    registry = FakeRegistry(separate=True)
    with registry.serve():
        yield registry


@pytest.fixture
def origin() -> Iterator[FakeRegistry]:
    registry = FakeRegistry(separate=True)
    with registry.serve():
        yield registry


def put(registry: FakeRegistry, name: str) -> MadeImage:
    made, source = make_image({"a": bytes(range(256)) * 100}), MemoryStore()
    with Transport() as transport:
        copy_image(source, Repository(registry.place, name, transport), made.push_to(source), tag="v1")
    registry.requests.clear()
    return made


@pytest.mark.parametrize("mirror_is", ["whole", "without the image", "down", "damaged"])
def test_an_image_comes_from_whoever_has_it(
    mirror_is: str, mirror: FakeRegistry, origin: FakeRegistry, tmp_path: Path
) -> None:
    """From the mirror alone when that is whole; else from the registry, and always the right bytes."""
    made = put(origin, "acme/demo")
    if mirror_is != "without the image":
        put(mirror, "hub/acme/demo")
    if mirror_is == "damaged":
        mirror.blobs[made.image.layers[0].digest] = b"something else"
    if mirror_is == "down":
        mirror.fault = lambda method, path: Fault(503)
    conf = f'[[registry]]\nlocation = "{origin.place}"\n[[registry.mirror]]\nlocation = "{mirror.place}/hub"\n'
    with Transport(sleep=lambda seconds: None) as transport:
        session = Session(tmp_path, transport=transport)
        source = source_of(Reference(origin.place, "acme/demo", "v1"), session, configured(tmp_path, conf))
        found = source.resolve("v1")
        assert found == made.image.descriptor
        copy_image(source, here := MemoryStore(), found, tag="v1")

    assert all(b"".join(here.fetch(blob)) == data for blob, data in made.blobs.items())
    assert (origin.requests == []) == (mirror_is == "whole")


def test_a_mirror_that_breaks_in_the_middle_is_asked_once(
    mirror: FakeRegistry, origin: FakeRegistry, tmp_path: Path
) -> None:
    """What it handed on is not the blob: it is had again, from the registry."""
    data = bytes(range(256)) * (20 << 10)
    blob = Descriptor("application/octet-stream", digest_of(data), len(data))
    for registry, kept in ((mirror, data[:-1] + b"x"), (origin, data)):
        name = "hub/acme/demo" if registry is mirror else "acme/demo"
        registry.keep(name, data)
        registry.blobs[blob.digest] = kept
    conf = f'[[registry]]\nlocation = "{origin.place}"\n[[registry.mirror]]\nlocation = "{mirror.place}/hub"\n'
    with Transport(sleep=lambda seconds: None) as transport:
        session = Session(tmp_path, transport=transport)
        both = source_of(Reference(origin.place, "acme/demo"), session, configured(tmp_path, conf))
        with pytest.raises(DamagedInTransit):
            b"".join(both.fetch(blob))

        assert b"".join(both.fetch(blob)) == data
