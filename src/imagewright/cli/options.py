"""Options that mean the same everywhere. They may stand before the command's name or after it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from imagewright.cli.app import App

F = TypeVar("F", bound=Callable[..., Any])


def _keep(name: str, constant: Any = None) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that keeps the option's value among the app's flags, when the option was given."""

    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value not in (None, False, ()):
            context.find_object(App).flags[name] = value if constant is None else constant  # type: ignore[union-attr]

    return callback


def _option(*names: str, setting: str, constant: Any = None, **attributes: Any) -> Callable[[F], F]:
    """An option that says ``setting``: the value that is given, or ``constant`` when it is a flag."""
    if constant is not None:
        attributes |= {"is_flag": True}
    return click.option(*names, expose_value=False, callback=_keep(setting, constant), **attributes)


_TALK = (
    _option(
        "-v", "--verbose", setting="verbose", constant=True, help="Say more: every file, whole errors, tracebacks."
    ),
    _option(
        "-q", "--quiet", setting="progress", constant="quiet", help="Say only errors; the same as --progress quiet."
    ),
    _option(
        "--progress",
        setting="progress",
        type=click.Choice(["auto", "plain", "quiet"]),
        help="How progress is shown on stderr.",
    ),
    _option(
        "--output",
        setting="output",
        type=click.Choice(["text", "json"]),
        help="What the result on stdout is: text, or one JSON object.",
    ),
    _option(
        "--cache-dir", setting="cache_dir", metavar="DIR", help="Folder of the local store and all that is remembered."
    ),
)

insecure_option = _option(
    "--insecure-registry",
    setting="insecure_registries",
    multiple=True,
    metavar="HOST",
    help="Registry (host:port) that is spoken to by plain http. May be given more than once.",
)

jobs_option = _option(
    "--jobs", setting="jobs", type=click.IntRange(min=1), metavar="N", help="How many things are done at once."
)

offline_option = _option(
    "--offline",
    setting="offline",
    constant=True,
    help="Ask no index, no mirror, and no registry but on this machine.",
)
"""For the commands that build, and those that speak to a registry."""

_BUILD = (
    _option("--registry", setting="registry", metavar="REGISTRY", help='Registry for every image; "local" for none.'),
    insecure_option,
    _option(
        "--layer-cache",
        setting="layer_cache",
        metavar="REPOSITORY",
        help='Repository whose layers are taken and added to; "own" for the image\'s own, "off" for none.',
    ),
    _option("--builder", setting="builder", metavar="NAME", help="Builder for every image, in place of its own."),
    jobs_option,
    offline_option,
    _option(
        "--debian-mirror", setting="debian_mirror", metavar="URL", help="Debian mirror, in place of the machine's own."
    ),
    _option(
        "--debian-keyring",
        setting="debian_keyring",
        metavar="FILE",
        help="Keys of the Debian archive, in place of the machine's own.",
    ),
    _option(
        "--debian-snapshots",
        setting="debian_snapshots",
        metavar="URL",
        help="Debian snapshot archive, for apt_snapshot.",
    ),
)

assume_exists_option = _option(
    "--assume-exists",
    setting="assume_exists",
    constant=True,
    help="Take an image to be there when its registry cannot be asked. Else that is an error.",
)
"""For the commands that want images to be there."""

locked_option = click.option(
    "--locked", is_flag=True, help="Take what the lock files list, or fail: for CI. Nothing is resolved."
)
"""For the commands that make images of lock files."""

platform_option = click.option(
    "--platform",
    metavar="OS/ARCHITECTURE",
    help="Which image is meant where there is one for each of several platforms.",
)
"""For the commands that look at an image."""

timeout_option = _option(
    "--timeout",
    setting="timeout",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="How long a task may take that has no limit of its own; 0 is for ever.",
)
"""For the command that runs tasks."""


def talk_options(command: F) -> F:
    """How much is said, and how: for every command."""
    for option in reversed(_TALK):
        command = option(command)
    return command


def build_options(command: F) -> F:
    """Where images go and how they are made: for the commands that build."""
    for option in reversed(_BUILD):
        command = option(command)
    return command
