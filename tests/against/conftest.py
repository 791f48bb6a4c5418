"""Programs that the project did not write, started once for all tests here; a test skips with the reason when one is missing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagewright.errors import LockError, NetworkError
from imagewright.testing import debian, engines
from imagewright.testing.engines import Engine, missing
from imagewright.testing.registry import docker_registry


@pytest.fixture(scope="session")
def registry_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The ``host:port`` of Debian's docker-registry."""
    if reason := missing("docker-registry"):
        pytest.skip(reason)
    with docker_registry(tmp_path_factory.mktemp("docker-registry")) as place:
        yield place


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """Debian's dockerd."""
    if reason := missing("dockerd", "docker", "containerd", "runc", root=True):
        pytest.skip(reason)
    with engines.dockerd() as engine:
        yield engine


@pytest.fixture(scope="session")
def podman() -> Iterator[Engine]:
    """Debian's podman."""
    if reason := missing("podman", "runc", "conmon", root=True):
        pytest.skip(reason)
    with engines.podman() as engine:
        yield engine


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    """The engine that the test is parametrized with: "docker" or "podman"."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Engine)
    return found


@pytest.fixture(scope="session")
def skopeo() -> str:
    """The program, for command lines."""
    if reason := missing("skopeo"):
        pytest.skip(reason)
    return "skopeo"


@pytest.fixture(scope="session")
def umoci() -> str:
    """The program, for command lines."""
    if reason := missing("umoci"):
        pytest.skip(reason)
    return "umoci"


@pytest.fixture(scope="session")
def debian_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Downloads of the session, or of all sessions when IMAGEWRIGHT_TEST_CACHE names a folder."""
    named = os.environ.get("IMAGEWRIGHT_TEST_CACHE")
    return Path(named) / "debian-programs" if named else tmp_path_factory.mktemp("debian-programs")


def of_debian(folder: Path, *packages: str) -> Path:
    """The folder of programs of Debian's newest suite, or a skip that says why they cannot be had."""
    try:
        return debian.programs(packages, folder)
    except (LockError, NetworkError) as error:
        pytest.skip(f"Debian's {', '.join(packages)} cannot be had: {error.what}")


def started(program: Path) -> str:
    """The program, once it has told its version; or a skip, where it wants a newer C library than there is."""
    try:
        engines.output_of(str(program), "version", timeout_seconds=60)
    except (RuntimeError, OSError) as error:
        pytest.skip(f"{program.name} does not run here: {error}")
    return str(program)


@pytest.fixture(scope="session")
def crane(debian_folder: Path) -> str:
    """The program, for command lines."""
    return started(of_debian(debian_folder, "crane") / "usr/bin/crane")


@pytest.fixture(scope="session")
def oras(debian_folder: Path) -> str:
    """The program, for command lines."""
    return started(of_debian(debian_folder, "oras") / "usr/bin/oras")


@pytest.fixture(scope="session")
def docker_with_zstd(debian_folder: Path) -> Iterator[Engine]:
    """The newest dockerd that Debian has, with the installed runc: docker reads zstd since version 23."""
    if reason := missing("dockerd", "runc", root=True):
        pytest.skip(reason)
    root = of_debian(debian_folder, "docker.io", "docker-cli", "containerd")
    with engines.dockerd(debian.path_with(root)) as engine:
        yield engine
