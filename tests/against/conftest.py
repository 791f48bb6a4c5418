"""Programs that the project did not write, started once for all tests here; a test skips with the reason when one is missing."""

from collections.abc import Iterator

import pytest

from imagewright.testing import engines
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
