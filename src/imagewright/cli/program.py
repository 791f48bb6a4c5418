"""The program: finds the command, runs it, and turns whatever goes wrong into text and an exit code.

A command's module is imported when that command runs: neither --version nor --help imports one.
"""

import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import NamedTuple

import click

from imagewright.cli.app import App
from imagewright.cli.options import talk_options
from imagewright.cli.signals import INTERRUPTED, MESSAGE, leave_quietly
from imagewright.errors import ImagewrightError, UsageError


class Entry(NamedTuple):
    """A command: the module that holds it under its own name, and what it does in a line."""

    module: str
    summary: str


COMMANDS = {
    "init": Entry("init", "Write a project with an image, a task and a test."),
    "run": Entry("run", "Run a workflow of a file, and print its result."),
    "build": Entry("build", "Build the images that a file names, where they are not there yet."),
    "files": Entry("files", "List the files that go into the images, and what leaves others out."),
    "lock": Entry("lock", "Write the lock files of the images that a file names."),
    "shell": Entry("shell", "Start a shell in an image, or in the layers below one of its steps."),
    "push": Entry("transfer", "Push an image of the local store to a registry."),
    "pull": Entry("transfer", "Bring an image of a registry into the local store."),
    "copy": Entry("transfer", "Copy an image from one registry to another, byte for byte."),
    "login": Entry("login", "Log in to a registry, and keep the login where docker and podman look for it."),
    "logout": Entry("login", "Forget the login for a registry."),
    "image": Entry("image", "List, inspect, check, export and remove images."),
    "cache": Entry("cache", "Say how big the cache is and where, and throw away what nothing needs."),
    "doctor": Entry("doctor", "Say whether this machine can build and run, and what helps where it cannot."),
    "config": Entry("config", "Show and change the settings."),
    "explain": Entry("explain", "Say what an error code means, or what differs between two images."),
}


class _Commands(click.Group):
    """Commands that are imported when they are used."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = getattr(import_module(f"imagewright.cli.{COMMANDS[name].module}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = _nearest(name, COMMANDS)
            raise UsageError(
                f"there is no command {name!r}",
                fix=f"did you mean {near!r}?" if near else "imagewright --help lists the commands",
            )
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def _version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from imagewright import __version__

        click.echo(f"imagewright {__version__}")
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Say the version.")
@talk_options
def program() -> None:
    """Declare a container image in Python, bind it to a task, and have it built and run in seconds.

    No Docker, no Dockerfile, no daemon.
    """


def run(arguments: Sequence[str] | None) -> int:
    """Run the program with ``arguments`` (this process's own when None), and return its exit code."""
    app = App()
    try:
        answer = program.main(
            None if arguments is None else list(arguments), prog_name="imagewright", standalone_mode=False, obj=app
        )
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return UsageError.exit_code
    except click.ClickException as error:
        return _failed(app, _usage(error), error)
    except ImagewrightError as error:
        return _failed(app, error, error)
    except (click.Abort, KeyboardInterrupt):
        app.console.close()
        app.console.say(MESSAGE)
        leave_quietly(INTERRUPTED)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it flushes stdout at the end.
        sys.stdout = None
        return 1
    except Exception as error:
        from imagewright.cli.errors_text import unexpected

        return _failed(app, unexpected(error), error)
    return answer if isinstance(answer, int) else 0


def _failed(app: App, error: ImagewrightError, cause: BaseException) -> int:
    app.console.error(error, cause)
    return error.exit_code


def _usage(error: click.ClickException) -> UsageError:
    """What click found wrong, in our words."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "imagewright"
    fix = f"{command} --help"
    if isinstance(error, click.NoSuchOption):
        near = _nearest(error.option_name, error.possibilities or [])
        fix = f"did you mean {near}?" if near else fix
        return UsageError(f"{command} has no option {error.option_name}", fix=fix)
    message = error.format_message().rstrip(".")
    return UsageError(f"{command}: {message[:1].lower()}{message[1:]}", fix=fix)


def _nearest(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    return next(iter(get_close_matches(name, names, n=1)), "")
