"""Registries for tests of the client: one in this process, and Debian's docker-registry."""

from collections.abc import Iterator

import pytest

from imagewright.testing.registry import FakeRegistry, docker_registry, docker_registry_program


@pytest.fixture(scope="session")
def docker_registry_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry."""
    if docker_registry_program() is None:
        pytest.skip("docker-registry is not installed")
    with docker_registry(tmp_path_factory.mktemp("registry")) as place:
        yield place


@pytest.fixture(params=["fake registry", pytest.param("docker-registry", marks=pytest.mark.tool)])
def registry_place(request: pytest.FixtureRequest) -> Iterator[str]:
    """The ``host:port`` of each of them."""
    if request.param == "docker-registry":
        yield request.getfixturevalue("docker_registry_place")
        return
    with FakeRegistry(separate=True).serve() as place:
        yield place
