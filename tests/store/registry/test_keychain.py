"""Where logins are found."""

import base64
import json
import os
from pathlib import Path

import pytest

from imagewright.errors import CredentialsError
from imagewright.store.registry.keychain import Keychain
from imagewright.store.registry.logins import Login, NoLogin


def auths(**logins: str) -> str:
    """A config with ``user:password`` for each key (written with __ for a slash and _ for a dot)."""
    return json.dumps(
        {
            "auths": {
                key.replace("__", "/").replace("_", "."): {"auth": base64.b64encode(login.encode()).decode()}
                for key, login in logins.items()
            }
        }
    )


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def user(found: Login | NoLogin) -> str:
    assert isinstance(found, Login)
    return found.username


def test_the_first_place_that_knows_the_registry_wins(tmp_path: Path) -> None:
    """Explicit, then the environment, then docker's file, then podman's; a place without an entry is passed over."""
    environ = {
        "DOCKER_AUTH_CONFIG": auths(ghcr_io="env:1"),
        "REGISTRY_AUTH_FILE": str(write(tmp_path / "auth.json", auths(ghcr_io="file:1", a_example="file:1"))),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    write(tmp_path / ".docker" / "config.json", auths(ghcr_io="docker:1", a_example="docker:1", b_example="docker:1"))
    write(tmp_path / "run" / "containers" / "auth.json", auths(b_example="run:1", c_example="run:1"))
    write(tmp_path / ".config" / "containers" / "auth.json", auths(c_example="podman:1", d_example="podman:1"))
    keychain = Keychain(environ, tmp_path)

    found = [
        user(keychain.find(registry, "acme/demo"))
        for registry in ("ghcr.io", "a.example", "b.example", "c.example", "d.example")
    ]

    assert found == ["env", "file", "docker", "run", "podman"]
    given = Login("me", "secret", "the command line")
    assert Keychain(environ, tmp_path, explicit=given).find("ghcr.io", "acme/demo") == given


def test_a_login_says_where_it_comes_from_and_never_its_password(tmp_path: Path) -> None:
    """The source is as a person writes it; the password is in no repr."""
    write(tmp_path / ".docker" / "config.json", auths(ghcr_io="alice:s3cret:with:colons"))

    found = Keychain({}, tmp_path).find("ghcr.io", "acme/demo")

    assert found == Login("alice", "s3cret:with:colons", "~/.docker/config.json")
    assert "s3cret" not in repr(found)


def test_without_a_login_the_places_are_named(tmp_path: Path) -> None:
    """Each with what was found there."""
    write(tmp_path / ".docker" / "config.json", auths(a_example="x:1", b_example="x:1", c_example="x:1"))

    found = Keychain({}, tmp_path).find("ghcr.io", "acme/demo")

    assert found == NoLogin(
        (
            "DOCKER_AUTH_CONFIG (unset)",
            "~/.docker/config.json (3 entries, none for ghcr.io)",
            "~/.config/containers/auth.json (absent)",
        )
    )


@pytest.mark.parametrize(
    ("repository", "name"),
    [("acme/demo", "team"), ("acme/demo/sub", "team"), ("acme/other", "acme"), ("acmex/demo", "all"), ("x", "all")],
)
def test_the_longest_path_wins(tmp_path: Path, repository: str, name: str) -> None:
    """A key may name a part of a registry, and is compared path part by path part."""
    write(
        tmp_path / ".docker" / "config.json",
        auths(ghcr_io="all:1", ghcr_io__acme="acme:1", ghcr_io__acme__demo="team:1"),
    )

    assert user(Keychain({}, tmp_path).find("ghcr.io", repository)) == name


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("https://ghcr.io/v2/", "ghcr.io"),
        ("http://localhost:5000", "localhost:5000"),
        ("GHCR.io", "ghcr.io"),
    ],
)
def test_keys_as_docker_writes_them(tmp_path: Path, key: str, registry: str) -> None:
    """With a scheme, a version, in capitals, and Docker Hub's own."""
    config = json.dumps({"auths": {key: {"username": "alice", "password": "p"}}})

    assert user(Keychain({"DOCKER_AUTH_CONFIG": config}, tmp_path).find(registry, "acme/demo")) == "alice"


def test_an_identity_token(tmp_path: Path) -> None:
    """As some clouds' logins leave one."""
    config = json.dumps({"auths": {"ghcr.io": {"identitytoken": "t0ken"}}})

    found = Keychain({"DOCKER_AUTH_CONFIG": config}, tmp_path).find("ghcr.io", "acme/demo")

    assert found == Login("", "", "DOCKER_AUTH_CONFIG", "t0ken")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "are not JSON"),
        ("[]", "are not what docker writes"),
        ('{"auths": {"ghcr.io": {"auth": "!"}}}', "cannot be read"),
        ('{"credsStore": "../evil"}', "no program's name"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    """It is never taken for a file without logins."""
    write(tmp_path / ".docker" / "config.json", text)

    with pytest.raises(CredentialsError, match=words):
        Keychain({}, tmp_path).find("ghcr.io", "acme/demo")


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A helper program that knows one registry."""
    program = write(
        tmp_path / "bin" / "docker-credential-fake",
        "#!/bin/sh\nread server\n"
        'case "$server" in\n'
        'known.example.com) echo \'{"Username": "alice", "Secret": "s3cret"}\' ;;\n'
        'token.example.com) echo \'{"Username": "<token>", "Secret": "t0ken"}\' ;;\n'
        "broken.example.com) echo no keyring; exit 1 ;;\n"
        "*) echo credentials not found in native keychain; exit 1 ;;\nesac\n",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def test_a_helper_is_asked(tmp_path: Path, helper: Path) -> None:
    """What it knows is a login; what it does not know is looked for elsewhere; its failure is an error."""
    write(
        tmp_path / ".docker" / "config.json",
        json.dumps({"auths": {"known.example.com": {}}, "credsStore": helper.name.removeprefix("docker-credential-")}),
    )
    source = "docker-credential-fake, named in ~/.docker/config.json"
    keychain = Keychain({}, tmp_path)

    assert keychain.find("known.example.com", "a") == Login("alice", "s3cret", source)
    assert keychain.find("token.example.com", "a") == Login("", "", source, "t0ken")
    assert isinstance(keychain.find("unknown.example.com", "a"), NoLogin)
    with pytest.raises(CredentialsError, match="gave no login") as caught:
        keychain.find("broken.example.com", "a")
    assert caught.value.why == ("no keyring",)


def test_a_helper_that_is_not_installed_is_an_error(tmp_path: Path) -> None:
    """The text names it, and where it is asked for."""
    write(tmp_path / ".docker" / "config.json", json.dumps({"credHelpers": {"ghcr.io": "not-there"}}))

    with pytest.raises(CredentialsError, match=r"docker-credential-not-there, which ~/\.docker/config\.json names"):
        Keychain({}, tmp_path).find("ghcr.io", "acme/demo")
