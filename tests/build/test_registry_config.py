"""registry_config: a spec's own file of logins."""

import base64
import json
from pathlib import Path

import pytest

from imagewright.build.registry_config import with_registry_configs
from imagewright.build.session import Session
from imagewright.errors import LockError, SpecError
from imagewright.spec import ImageSpec
from imagewright.store.registry.keychain import Keychain
from imagewright.store.registry.logins import Login


def config(**logins: str) -> str:
    auths = {
        name.replace("_", "."): {"auth": base64.b64encode(text.encode()).decode()} for name, text in logins.items()
    }
    return json.dumps({"auths": auths})


def login(session: Session, registry: str) -> tuple[str, str] | None:
    found = Keychain(session.environ, Path("/nonexistent")).find(registry, "acme/demo")
    return (found.username, found.password) if isinstance(found, Login) else None


@pytest.fixture
def spec(tmp_path: Path) -> ImageSpec:
    """A spec with a file that knows a login for one registry."""
    (tmp_path / "registry.json").write_text(config(r_example_com="alice:secret"))
    return ImageSpec("demo", registry_config="registry.json", directory=tmp_path)


def test_its_logins_go_before_the_machines(spec: ImageSpec, tmp_path: Path) -> None:
    """Those of other registries stay."""
    machines = {"DOCKER_AUTH_CONFIG": config(r_example_com="bob:x", other_example_com="carol:y")}

    session = with_registry_configs([spec], Session(tmp_path, environ=machines))

    assert login(session, "r.example.com") == ("alice", "secret")
    assert login(session, "other.example.com") == ("carol", "y")
    assert login(session, "third.example.com") is None


def test_a_base_specs_file_counts_as_well(spec: ImageSpec, tmp_path: Path) -> None:
    """Its image may be of a registry that the upper one is not."""
    above = ImageSpec("above", base_image=spec, directory=tmp_path)

    assert login(with_registry_configs([above], Session(tmp_path)), "r.example.com") == ("alice", "secret")


def test_without_one_the_session_stays(tmp_path: Path) -> None:
    """The very same: nothing is read."""
    session = Session(tmp_path, environ={"DOCKER_AUTH_CONFIG": "{}"})

    assert with_registry_configs([ImageSpec()], session) is session


def test_it_is_no_part_of_the_image(spec: ImageSpec) -> None:
    """Who may read is not what is read."""
    assert spec.digest == ImageSpec("demo", directory=spec.directory).digest


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"auths": []}'])
def test_a_file_without_logins_is_an_error(spec: ImageSpec, tmp_path: Path, text: str) -> None:
    """It would be passed over in silence otherwise."""
    (tmp_path / "registry.json").write_text(text)

    with pytest.raises(SpecError, match="has no logins"):
        with_registry_configs([spec], Session(tmp_path))


def test_a_file_that_is_not_there_is_an_error(spec: ImageSpec, tmp_path: Path) -> None:
    """The text says where it was looked for."""
    (tmp_path / "registry.json").unlink()

    with pytest.raises(SpecError, match="cannot be read") as failed:
        with_registry_configs([spec], Session(tmp_path))

    assert str(tmp_path) in " ".join(failed.value.fix)


def test_envds_file_of_certificates_is_told_where_to_go(spec: ImageSpec, tmp_path: Path) -> None:
    """flytekit's envd builder has a file of another kind under that name."""
    (tmp_path / "registry.json").write_text('{"registries": [{"name": "docker.io", "ca": "/etc/ca.pem"}]}')

    with pytest.raises(LockError, match="certificates") as refused:
        with_registry_configs([spec], Session(tmp_path))

    assert "certs.d" in " ".join(refused.value.fix)


def test_no_secret_is_in_an_error(spec: ImageSpec, tmp_path: Path) -> None:
    """Not even of a file that cannot be understood."""
    (tmp_path / "registry.json").write_text('{"registries": [], "password": "hunter2"}')

    with pytest.raises(LockError) as refused:
        with_registry_configs([spec], Session(tmp_path))

    assert "hunter2" not in repr(refused.value) + str(refused.value.why) + str(refused.value.fix)
