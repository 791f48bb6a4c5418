"""`imagewright login` and `imagewright logout`: logins for registries, where docker keeps them."""

import sys
from contextlib import suppress
from pathlib import Path

import click

from imagewright.cli.app import App
from imagewright.cli.options import insecure_option, talk_options
from imagewright.cli.references import registry_of
from imagewright.cli.session import transport_of
from imagewright.errors import CredentialsError, UsageError
from imagewright.oci.reference import DEFAULT_REGISTRY
from imagewright.store.registry.logins import Given, Login


@click.command()
@click.argument("registry", default=DEFAULT_REGISTRY)
@click.option("-u", "--username", help="Who you are there. Asked for when it is not given.")
@click.option("--password-stdin", is_flag=True, help="Read the password or token from stdin.")
@insecure_option
@talk_options
@click.pass_obj
def login(app: App, registry: str, username: str | None, password_stdin: bool) -> None:
    """Log in to a registry, and keep the login where docker and podman look for it.

    The login is tried first. It goes to docker's config file, or to the credential helper that this file names. There is
    no option for the password: everybody on this machine could read it.
    """
    from imagewright.store.registry.saved_logins import save_login
    from imagewright.store.registry.session import Session

    registry = registry_of(registry)
    typed = _typed(registry, username, password_stdin)
    with transport_of(app) as transport:
        session = Session(registry, "", transport, Given(typed))
        answer = session.request("pull from", "GET", "/v2/", ok=(200, 404))
        wanted = session.asked_for_login
    if answer.status == 404:
        raise UsageError(f"{registry} is no registry: it has no page /v2/", fix="look at its name and its port")
    where = save_login(app.environ, _home(app), registry, typed)
    if not wanted:
        app.console.say(f"{registry} did not ask for a login, so whether this one is right is not known.")
    if app.environ.get("DOCKER_AUTH_CONFIG"):
        app.console.say("DOCKER_AUTH_CONFIG is set: what it says of this registry counts before the login here.")
    app.console.say(f"Logged in to {registry} as {typed.username}; kept in {where}")
    app.console.answer("", {"registry": registry, "username": typed.username, "kept_in": where})


@click.command()
@click.argument("registry", default=DEFAULT_REGISTRY)
@talk_options
@click.pass_obj
def logout(app: App, registry: str) -> None:
    """Forget the login for a registry.

    It is taken out of the place where `imagewright login` and `docker login` keep it.
    """
    from imagewright.store.registry.keychain import Keychain
    from imagewright.store.registry.saved_logins import erase_login

    registry, home = registry_of(registry), _home(app)
    where = erase_login(app.environ, home, registry)
    app.console.say(
        f"Logged out of {registry}: taken out of {where}" if where else f"There was no login for {registry}."
    )
    with suppress(CredentialsError):  # what was to be done is done
        other = Keychain(app.environ, home).find(registry, "")
        if isinstance(other, Login):
            app.console.say(f"There is another one, which is left as it is: {other.source}")
    app.console.answer("", {"registry": registry, "taken_out_of": where})


def _typed(registry: str, username: str | None, password_stdin: bool) -> Login:
    if password_stdin:
        if not username:
            raise UsageError(
                "--password-stdin needs --username", fix=f"imagewright login {registry} -u NAME --password-stdin"
            )
        password = sys.stdin.read().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask for a password",
            fix=f"imagewright login {registry} --username NAME --password-stdin < FILE",
        )
    else:
        username = username or click.prompt(f"Username for {registry}", err=True)
        password = click.prompt("Password or token", hide_input=True, err=True)
    if not password:
        raise CredentialsError(f"the password for {registry} is empty", code="IW401")
    assert username is not None
    if ":" in username:
        raise UsageError(f"a username has no colon: {username!r}")
    return Login(username, password, "as typed")


def _home(app: App) -> Path:
    return Path(app.environ.get("HOME") or Path.home())
