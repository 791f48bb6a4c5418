"""docs/reference/{cli,configuration,errors,fields}.md say what the code says. ``pytest --update-golden`` writes them anew."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from tests.end_to_end.fields import table

from imagewright.cli.checks import CHECKS
from imagewright.cli.explanations import EXPLANATIONS
from imagewright.cli.program import COMMANDS, program
from imagewright.cli.settings import SETTINGS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
WIDTH = 100

DEFAULTS = {
    "cache_dir": "`$XDG_CACHE_HOME/imagewright`, else `~/.cache/imagewright`",
    "jobs": "the number of processors",
}
"""Defaults that depend on the machine, in words."""


def errors() -> str:
    """Every code, as `imagewright explain` has it."""
    parts = [
        "# Error codes",
        (
            "Every error has a code, and `imagewright explain CODE` says the same as this page, without a network.\n"
            "Exit codes: 0 all is well; 1 a build step or a task failed; 2 the command line, a config file or the Python file; "
            "3 what was asked for cannot be resolved;\n4 credentials; 5 the network, a registry or the store; 6 a builder or "
            "the sandbox is missing; 7 a run was not accepted; 130 interrupted; 143 terminated."
        ),
    ]
    for one in EXPLANATIONS.values():
        parts += [f"## {one.code}: {one.title}", one.meaning, f"**What helps.** {one.helps}"]
    return "\n\n".join(parts) + "\n"


def configuration() -> str:
    """Every setting, with its flag and variable."""
    spelled = {"insecure_registries": "--insecure-registry"}
    flags = {name for _, command in walk(program, "") for name in options(command)}
    rows = [
        f"| `{one.name}` | `{one.variable}` | `{spelled.get(one.name, '--' + one.name.replace('_', '-'))}` "
        f"| {DEFAULTS.get(one.name) or shown(one.default({}))} | {one.meaning} |"
        for one in SETTINGS
    ]
    for one in SETTINGS:
        assert spelled.get(one.name, "--" + one.name.replace("_", "-")) in flags
    return "\n".join(
        [
            "# Configuration",
            "",
            (
                "A flag counts before an environment variable, this before the project's file, this before the user's file, "
                "this before the default."
            ),
            (
                "The project's file is the nearest `imagewright.toml`, or `pyproject.toml` with a table `[tool.imagewright]`, "
                "going up from the current folder."
            ),
            "The user's file is `$XDG_CONFIG_HOME/imagewright/config.toml`; `imagewright config path` prints where it is.",
            (
                "`imagewright config show --origin` prints every setting, and the file and line, variable or flag that it comes "
                "from."
            ),
            "A setting that does not exist is an error, wherever it stands.",
            "",
            "| setting | variable | flag | default | what it is |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "A list is a TOML list in a file, and separated by commas in a variable.",
            "A relative `cache_dir` in a file is relative to the file.",
            "",
            "## Other variables",
            "",
            "| variable | what it does |",
            "|---|---|",
            "| `NO_COLOR`, `FORCE_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR` | colour; the first of them that is set decides |",
            "| `TERM=dumb`, `CI` | no line that is drawn over |",
            "| `COLUMNS` | how wide the terminal is |",
            "| `GITHUB_ACTIONS` | errors are marked in the pull request as well |",
            "",
        ]
    )


def shown(default: object) -> str:
    """A default as one would write it."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if default != "" and default != () else "none"


def cli() -> str:
    """The help of every command, and what `doctor` looks at."""
    parts = [
        "# Commands",
        (
            "The result of a command goes to stdout, everything else to stderr.\n"
            "With `--output json` the result, or the error in its place, is one JSON object on stdout."
        ),
    ]
    for path, command in walk(program, "imagewright"):
        context = click.Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH)
        parts += [f"## {path}", f"```text\n{command.get_help(context).rstrip()}\n```"]
        if path.endswith("doctor"):
            parts.append(
                "\n".join(f"- {name}: {(check.__doc__ or '').splitlines()[0]}" for name, check in CHECKS.items())
            )
    return "\n\n".join(parts) + "\n"


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, with what one types for each."""
    yield path, command
    if command is program:
        for name, entry in COMMANDS.items():
            yield from walk(getattr(import_module(f"imagewright.cli.{entry.module}"), name), f"{path} {name}")
    elif isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from walk(each, f"{path} {name}")


def options(command: click.Command) -> list[str]:
    return [name for parameter in command.params for name in parameter.opts]


@pytest.mark.parametrize(
    ("name", "text"),
    [("cli.md", cli), ("configuration.md", configuration), ("errors.md", errors), ("fields.md", table)],
)
def test_the_reference_is_what_the_code_says(
    name: str, text: Callable[[], str], request: pytest.FixtureRequest
) -> None:
    """Letter by letter."""
    if request.config.getoption("--update-golden"):
        (REFERENCE / name).write_text(text(), encoding="utf-8")

    assert (REFERENCE / name).read_text(encoding="utf-8") == text()
