"""Logins that a machine of a cloud or of a CI service has without a file: asked of the cloud's own programs."""

import json
import re
from collections.abc import Mapping, Sequence

from imagewright.dataclass import dataclass
from imagewright.errors import CredentialsError, redacted
from imagewright.store.registry.helper import Helper, program_at
from imagewright.store.registry.logins import Login, NoLogin

PROGRAM_SECONDS = 60
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)"
)
_ECR_PUBLIC = "public.ecr.aws"
_GOOGLE = re.compile(r"(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)")
_AZURE = re.compile(r"(?P<name>[a-z0-9-]+)\.azurecr\.(?:io|cn|us)")
_AZURE_USER = "00000000-0000-0000-0000-000000000000"  # Azure's documents: with a token in place of a password


@dataclass(frozen=True, slots=True)
class _Way:
    """A cloud's helper programs, and the command of its own that gives a token; ``user`` goes with that token."""

    helpers: tuple[str, ...]
    command: tuple[str, ...]
    user: str


class Ambient:
    """Knows logins for ghcr.io (GITHUB_TOKEN), and for the registries of AWS, Google and Azure by their programs.

    A program is looked for only when its cloud's registry asks for a login. ``environ`` is what it runs in.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def find(self, registry: str, repository: str) -> Login | NoLogin:
        """The login, or the variable and programs that were not there."""
        if registry == "ghcr.io":
            return self._github()
        way = _way(registry)
        if way is None:
            return NoLogin(())
        looked_in = []
        for name in way.helpers:
            helper = Helper(name, registry, self._environ)
            if program_at(helper.program, self._environ) is None:
                looked_in.append(f"{helper.program} (not installed)")
                continue
            try:
                login = helper.get(registry)
            except CredentialsError as error:
                # Nobody named it: without a login the image may be had as well.
                looked_in.append(f"{helper.program} ({_short(error)})")
                continue
            if login is not None:
                return Login(login.username, login.password, helper.program, login.identity_token)
            looked_in.append(f"{helper.program} (none for {registry})")
        program = way.command[0]
        if program_at(program, self._environ) is None:
            return NoLogin((*looked_in, f"{program} (not installed)"))
        try:
            return Login(way.user, _token(run(way.command, self._environ, f"{program} gave no token")), program)
        except CredentialsError as error:
            return NoLogin((*looked_in, f"{program} ({_short(error)})"))

    def _github(self) -> Login | NoLogin:
        token = self._environ.get("GITHUB_TOKEN")
        if not token:
            return NoLogin(("GITHUB_TOKEN (unset)",))
        return Login(self._environ.get("GITHUB_ACTOR") or "x-access-token", token, "GITHUB_TOKEN")


def create_repository(registry: str, repository: str, environ: Mapping[str, str]) -> bool:
    """Make a repository at ECR, where a push does not make one; False for other registries.

    Raises:
        CredentialsError: The program ``aws`` is not there, or does not make it. ``fix`` is its command line.
    """
    match = _ECR.fullmatch(registry)
    if match is None:
        return False
    command = ("aws", "ecr", "create-repository", "--repository-name", repository, "--region", match["region"])
    what = f"{registry} has no repository {repository}, and a push does not make one there"
    if program_at("aws", environ) is None:
        raise CredentialsError(what, code="IW403", why="the program aws is not installed here", fix=" ".join(command))
    try:
        run((*command, "--registry-id", match["account"]), environ, what)
    except CredentialsError as error:
        if any("RepositoryAlreadyExistsException" in line for line in error.why):
            return True  # another push was faster
        error.code, error.fix = "IW403", (" ".join(command),)
        raise
    return True


def run(command: Sequence[str], environ: Mapping[str, str], what: str) -> str:
    """What a cloud's program prints.

    Raises:
        CredentialsError: It fails: ``what``, with its own words.
    """
    import subprocess  # only here: it is slow to import

    try:
        done = subprocess.run(
            [program_at(command[0], environ) or command[0], *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
            check=False,
            env=dict(environ) or None,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise CredentialsError(what, code="IW401", why=f"{command[0]}: {error}") from error
    if done.returncode:
        said = redacted(" ".join(done.stderr.split()))[:300] or f"exit code {done.returncode}"
        raise CredentialsError(what, code="IW401", why=f"{command[0]} said: {said}", fix=" ".join(command))
    return done.stdout


def _way(registry: str) -> _Way | None:
    if match := _ECR.fullmatch(registry):
        return _Way(("ecr-login",), ("aws", "ecr", "get-login-password", "--region", match["region"]), "AWS")
    if registry == _ECR_PUBLIC:
        # Source: AWS, "Registry authentication in Amazon ECR public": its tokens come from this region alone.
        return _Way(("ecr-login",), ("aws", "ecr-public", "get-login-password", "--region", "us-east-1"), "AWS")
    if _GOOGLE.fullmatch(registry):
        return _Way(("gcr", "gcloud"), ("gcloud", "auth", "print-access-token"), "oauth2accesstoken")
    if match := _AZURE.fullmatch(registry):
        command = ("az", "acr", "login", "--name", match["name"], "--expose-token", "--output", "json")
        return _Way(("acr-env",), command, _AZURE_USER)
    return None


def _short(error: CredentialsError) -> str:
    """Why a program gave no login, in a few words."""
    why = " ".join((error.why or (error.what,))[0].split())
    return why if len(why) <= 80 else f"{why[:77]}..."


def _token(said: str) -> str:
    """The token: all that was printed, or of Azure's program a field of it."""
    text = said.strip()
    if text.startswith("{"):
        try:
            return str(json.loads(text)["accessToken"])
        except (ValueError, KeyError) as error:  # their texts have no part of it
            raise CredentialsError("az acr login gave no token", code="IW401", why=str(error)) from error
    return text
