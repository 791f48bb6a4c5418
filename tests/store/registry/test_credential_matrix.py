"""Twenty ways in which logins are kept, or are not: each gives the right request, or the right message, and no secret."""

import base64
import json
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from imagewright.build.destination import MachineLogins
from imagewright.dataclass import dataclass
from imagewright.errors import ImagewrightError
from imagewright.oci.descriptor import Descriptor
from imagewright.oci.digest import digest_of
from imagewright.store.registry.repository import Repository
from imagewright.testing.registry import IDENTITY_TOKEN, PASSWORD, USERNAME, FakeRegistry
from imagewright.transport import Transport

DATA = b"hello"
BLOB = Descriptor("application/octet-stream", digest_of(DATA), len(DATA))
WRONG = "c4nary-of-a-password"
SECRETS = (PASSWORD, IDENTITY_TOKEN, WRONG)
BASIC = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()


class Machine:
    """A home, an environment and helper programs; ``place`` is the registry."""

    def __init__(self, folder: Path, place: str) -> None:
        self.home, self.programs, self.place = folder / "home", folder / "bin", place
        self.home.mkdir()
        self.programs.mkdir()
        self.environ = {"HOME": str(self.home), "PATH": f"{self.programs}{os.pathsep}/usr/bin{os.pathsep}/bin"}

    def write(self, path: str, document: Any) -> Path:
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(document if isinstance(document, str) else json.dumps(document))
        return target

    def helper(self, name: str, script: str) -> Path:
        program = self.programs / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\nread server\n{script}\n")
        program.chmod(0o755)
        return program

    def auths(self, password: str = PASSWORD, key: str = "") -> dict[str, Any]:
        encoded = base64.b64encode(f"{USERNAME}:{password}".encode()).decode()
        return {"auths": {key or self.place: {"auth": encoded}}}


def says(username: str, secret: str) -> str:
    return f"""[ "$1" = get ] && echo '{json.dumps({"Username": username, "Secret": secret})}'"""


@dataclass(frozen=True, slots=True)
class Case:
    """How the machine is set up, how the registry asks, and what comes of a push: "", or a part of the message."""

    set_up: Callable[[Machine], object]
    auth: str = "basic"
    says: str = ""


DOCKER = ".docker/config.json"

CASES: Mapping[str, Case] = {
    "docker's file": Case(lambda m: m.write(DOCKER, m.auths())),
    "docker's file, tokens": Case(lambda m: m.write(DOCKER, m.auths()), auth="bearer"),
    "docker's file, user and password apart": Case(
        lambda m: m.write(DOCKER, {"auths": {m.place: {"username": USERNAME, "password": PASSWORD}}})
    ),
    "docker's file, an address with a path": Case(lambda m: m.write(DOCKER, m.auths(key=f"https://{m.place}/v2/"))),
    "DOCKER_CONFIG": Case(
        lambda m: m.environ.update(DOCKER_CONFIG=str(m.write("other/config.json", m.auths()).parent))
    ),
    "DOCKER_AUTH_CONFIG before docker's file": Case(
        lambda m: (m.environ.update(DOCKER_AUTH_CONFIG=json.dumps(m.auths())), m.write(DOCKER, m.auths(WRONG)))
    ),
    "REGISTRY_AUTH_FILE": Case(lambda m: m.environ.update(REGISTRY_AUTH_FILE=str(m.write("auth.json", m.auths())))),
    "podman's file of this boot": Case(
        lambda m: m.environ.update(XDG_RUNTIME_DIR=str(m.write("run/containers/auth.json", m.auths()).parents[1]))
    ),
    "podman's file": Case(lambda m: m.write(".config/containers/auth.json", m.auths())),
    "the longest path counts": Case(
        lambda m: m.write(
            DOCKER,
            {"auths": {**m.auths(WRONG)["auths"], **m.auths(key=f"{m.place}/acme")["auths"]}},
        )
    ),
    "a path of another repository does not": Case(
        lambda m: m.write(DOCKER, m.auths(key=f"{m.place}/acme/dem")), says="wants a login to push acme/demo"
    ),
    "a helper of this registry before the file": Case(
        lambda m: (
            m.helper("mine", says(USERNAME, PASSWORD)),
            m.write(DOCKER, {**m.auths(WRONG), "credHelpers": {m.place: "mine"}}),
        )
    ),
    "a helper of all registries, an empty entry": Case(
        lambda m: (
            m.helper("all", says(USERNAME, PASSWORD)),
            m.write(DOCKER, {"auths": {m.place: {}}, "credsStore": "all"}),
        )
    ),
    "a helper with an identity token": Case(
        lambda m: (m.helper("all", says("<token>", IDENTITY_TOKEN)), m.write(DOCKER, {"credsStore": "all"})),
        auth="bearer",
    ),
    "an identity token in docker's file": Case(
        lambda m: m.write(DOCKER, {"auths": {m.place: {"identitytoken": IDENTITY_TOKEN}}}), auth="bearer"
    ),
    "nothing anywhere": Case(
        lambda m: None,
        says="looked in: DOCKER_AUTH_CONFIG (unset), ~/.docker/config.json (absent), ~/.config/containers/auth.json (absent)",
    ),
    "a wrong password": Case(
        lambda m: m.write(DOCKER, m.auths(WRONG)),
        says="does not accept the login of 'alice' (~/.docker/config.json)",
    ),
    "a wrong password, tokens": Case(
        lambda m: m.write(DOCKER, m.auths(WRONG)),
        auth="bearer",
        says="does not accept the login of 'alice' (~/.docker/config.json)",
    ),
    "a helper that is not installed": Case(
        lambda m: m.write(DOCKER, {"credsStore": "absent"}),
        says="docker-credential-absent, which ~/.docker/config.json names for {place}, is not installed",
    ),
    "a helper that fails": Case(
        lambda m: (m.helper("sad", "echo the keyring is locked; exit 1"), m.write(DOCKER, {"credsStore": "sad"})),
        says="the keyring is locked",
    ),
    "a helper that says nonsense": Case(
        lambda m: (m.helper("odd", f"echo {WRONG}"), m.write(DOCKER, {"credsStore": "odd"})),
        says="docker-credential-odd, which ~/.docker/config.json names for {place}, gave no login",
    ),
    "a helper that has none": Case(
        lambda m: (
            m.helper("none", "echo credentials not found in native keychain; exit 1"),
            m.write(DOCKER, {"credsStore": "none"}),
        ),
        says="~/.docker/config.json (0 entries and docker-credential-none, none for {place})",
    ),
    "a name that is no program's": Case(
        lambda m: m.write(DOCKER, {"credsStore": "../../bin/sh"}), says="names a helper that is no program's name"
    ),
    "a file that is cut": Case(
        lambda m: m.write(DOCKER, json.dumps(m.auths(WRONG))[:-3]),
        says="the logins in ~/.docker/config.json are not JSON",
    ),
    "an entry that is not base64": Case(
        lambda m: m.write(DOCKER, {"auths": {m.place: {"auth": WRONG}}}),
        says="the login for {place} in ~/.docker/config.json cannot be read",
    ),
}


@pytest.fixture
def transport() -> Iterator[Transport]:
    with Transport(sleep=lambda seconds: None) as made:
        yield made


@pytest.mark.parametrize("name", CASES)
def test_a_configuration_gives_a_request_or_a_message(name: str, transport: Transport, tmp_path: Path) -> None:
    """What the registry gets is the one right login; what a person reads says where to look, and has no secret in it."""
    case, registry = CASES[name], FakeRegistry(auth=CASES[name].auth)
    said = ""
    with registry.serve() as place:
        machine = Machine(tmp_path, place)
        case.set_up(machine)
        repository = Repository(place, "acme/demo", transport, MachineLogins(machine.environ))
        if case.says:
            with pytest.raises(ImagewrightError) as caught:
                repository.push(BLOB, [DATA])
            said = "".join(traceback.format_exception(caught.value)) + str(caught.value) + repr(caught.value)
            assert (caught.value.code, caught.value.exit_code) == ("IW401", 4)
        else:
            repository.push(BLOB, [DATA])

    assert (BLOB.digest in registry.blobs) == (not case.says)
    assert case.says.format(place=place) in said
    assert not any(secret in said for secret in SECRETS)
    logins = {sent for sent in registry.authorizations if sent.startswith("Basic ")}
    if not case.says:
        assert logins <= {BASIC}


def test_a_push_with_tokens_asks_for_both_rights_at_once(transport: Transport, tmp_path: Path) -> None:
    """One 401, one token, and then the three requests of a blob."""
    registry = FakeRegistry(auth="bearer")
    with registry.serve() as place:
        machine = Machine(tmp_path, place)
        machine.write(DOCKER, machine.auths())
        Repository(place, "acme/demo", transport, MachineLogins(machine.environ)).push(BLOB, [DATA])

    assert [method for method, _ in registry.requests] == ["HEAD", "GET", "HEAD", "POST", "PUT"]
    assert registry.asked_tokens == [
        {"service": ["fake"], "scope": ["repository:acme/demo:pull,push"], "account": [USERNAME]}
    ]


@pytest.mark.parametrize(
    ("registry", "environ", "program", "script", "expected"),
    [
        ("ghcr.io", {"GITHUB_TOKEN": "t0ken", "GITHUB_ACTOR": "octo"}, "", "", ("octo", "t0ken", "GITHUB_TOKEN")),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", {}, "docker-credential-ecr-login", says("AWS", "t0ken"), ("AWS", "t0ken", "docker-credential-ecr-login")),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", {}, "aws", '[ "$*" = "ecr get-login-password --region eu-west-1" ] && echo t0ken', ("AWS", "t0ken", "aws")),
        ("public.ecr.aws", {}, "aws", '[ "$*" = "ecr-public get-login-password --region us-east-1" ] && echo t0ken', ("AWS", "t0ken", "aws")),
        ("europe-docker.pkg.dev", {}, "docker-credential-gcloud", says("_token", "t0ken"), ("_token", "t0ken", "docker-credential-gcloud")),
        ("eu.gcr.io", {}, "gcloud", "echo t0ken", ("oauth2accesstoken", "t0ken", "gcloud")),
        ("acme.azurecr.io", {}, "az", """[ "$4" = acme ] && echo '{"accessToken": "t0ken"}'""", ("00000000-0000-0000-0000-000000000000", "t0ken", "az")),
    ],
    ids=["GitHub", "ECR's helper", "ECR by aws", "ECR public", "Google's helper", "Google by gcloud", "Azure by az"],
)  # fmt: skip
def test_a_cloud_has_a_login_without_a_file(
    registry: str, environ: dict[str, str], program: str, script: str, expected: tuple[str, str, str], tmp_path: Path
) -> None:
    """By its helper, or by its own program."""
    from imagewright.store.registry.logins import Login

    machine = Machine(tmp_path, registry)
    if program:
        (machine.programs / program).write_text(f"#!/bin/sh\n{script}\n")
        (machine.programs / program).chmod(0o755)

    found = MachineLogins({**machine.environ, "PATH": str(machine.programs), **environ}).find(registry, "a/b")

    assert isinstance(found, Login)
    assert (found.username, found.password, found.source) == expected


def test_a_cloud_without_its_programs_is_said_so(tmp_path: Path) -> None:
    """The programs are among the places that were looked at; one that fails is quoted, and stops nothing."""
    from imagewright.store.registry.ambient import Ambient
    from imagewright.store.registry.logins import NoLogin

    machine = Machine(tmp_path, "")
    environ = {"PATH": str(machine.programs)}

    assert Ambient(environ).find("acme.azurecr.io", "a") == NoLogin(
        ("docker-credential-acr-env (not installed)", "az (not installed)")
    )
    assert Ambient(environ).find("ghcr.io", "a") == NoLogin(("GITHUB_TOKEN (unset)",))
    assert Ambient(environ).find("example.com", "a") == NoLogin(())
    (machine.programs / "gcloud").write_text("#!/bin/sh\necho you are not logged in >&2\nexit 1\n")
    (machine.programs / "gcloud").chmod(0o755)
    machine.helper("gcr", "echo no account; exit 1")
    assert Ambient(environ).find("gcr.io", "a") == NoLogin(
        (
            "docker-credential-gcr (no account)",
            "docker-credential-gcloud (not installed)",
            "gcloud (gcloud said: you are not logged in)",
        )
    )


@pytest.mark.parametrize("there", [True, False], ids=["made", "refused"])
def test_a_repository_at_ecr_is_made(there: bool, tmp_path: Path) -> None:
    """By the program aws, with the region and account of the registry's name; when it is not there, its command is said."""
    from imagewright.errors import CredentialsError
    from imagewright.store.registry.ambient import create_repository

    machine, ecr = Machine(tmp_path, ""), "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    command = "ecr create-repository --repository-name acme/demo --region eu-west-1"
    assert not create_repository("example.com", "acme/demo", machine.environ)
    if there:
        (machine.programs / "aws").write_text(f'#!/bin/sh\n[ "$*" = "{command} --registry-id 123456789012" ]\n')
        (machine.programs / "aws").chmod(0o755)
        assert create_repository(ecr, "acme/demo", machine.environ)
        return
    with pytest.raises(CredentialsError, match="has no repository acme/demo") as caught:
        create_repository(ecr, "acme/demo", {"PATH": str(machine.programs)})
    assert caught.value.fix == (f"aws {command}",)


def test_a_repository_that_a_push_does_not_make(transport: Transport) -> None:
    """It is made where that can be done, and the push goes on; else the error says so."""
    from imagewright.errors import CredentialsError

    registry = FakeRegistry(repositories=set())
    with registry.serve() as place:
        with pytest.raises(CredentialsError, match="has no repository acme/demo, and a push does not make one there"):
            Repository(place, "acme/demo", transport).push(BLOB, [DATA])

        def create(host: str, repository: str) -> bool:
            assert registry.repositories is not None
            registry.repositories.add(repository)
            return True

        Repository(place, "acme/demo", transport, create=create).push(BLOB, [DATA])

    assert BLOB.digest in registry.blobs
