"""The program as a whole: what it imports, how it exits, how it takes options."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module

import click
import pytest

from imagewright.cli.program import COMMANDS

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# What a command that only talks about itself must not wait for.
HEAVY = ("httpx2", "packaging", "pysequoia", "isal", "tomli_w", "asyncio", "ssl", "http.client", "concurrent.futures")

LIST_MODULES = """
import sys
from imagewright.cli.main import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["-h"]])
def test_it_starts_without_heavy_imports(run: Run, arguments: list[str]) -> None:
    """--version and --help import no HTTP client, no resolver and no command."""
    done = run(*arguments, program=(sys.executable, "-c", LIST_MODULES))

    assert done.returncode == 0
    modules = set(done.stderr.split())
    assert not modules & set(HEAVY)
    assert not modules & {f"imagewright.cli.{entry.module}" for entry in COMMANDS.values()}


def test_help_lists_every_command(run: Run) -> None:
    """With what it does in a line."""
    text = " ".join(run("--help").stdout.split())

    for name, entry in COMMANDS.items():
        assert f" {name} " in text
        assert entry.summary in text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_summary_is_that_of_its_own_help(name: str) -> None:
    """The table that --help is made of says what the command itself says."""
    command = getattr(import_module(f"imagewright.cli.{COMMANDS[name].module}"), name)

    assert isinstance(command, click.Command)
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == COMMANDS[name].summary


def test_version_is_the_packages(run: Run) -> None:
    """One line on stdout."""
    import imagewright

    assert run("--version").stdout == f"imagewright {imagewright.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (["expain"], "there is no command 'expain'", "did you mean 'explain'?"),
        (["zzz"], "there is no command 'zzz'", "imagewright --help lists the commands"),
        (["explain", "--ouput", "json"], "imagewright explain has no option --ouput", "did you mean --output?"),
        (
            ["explain", "a", "b", "c"],
            "imagewright explain: got unexpected extra argument (c)",
            "imagewright explain --help",
        ),
        (["init"], "imagewright init: missing argument 'NAME'", "imagewright init --help"),
        (["explain", "IW2O3"], "there is no error code 'IW2O3'", "did you mean "),
    ],
)
def test_a_mistake_on_the_command_line_is_an_error_of_ours(run: Run, arguments: list[str], what: str, fix: str) -> None:
    """In our words, with the nearest that exists, exit code 2, nothing on stdout."""
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"error[IW101]: {what}"
    assert done.stderr.splitlines()[-1].startswith(f"  help: {fix}")


def test_options_may_stand_before_and_after_the_command(run: Run) -> None:
    """--output json is the same in both places."""
    before = run("--output", "json", "explain", "IW203")
    after = run("explain", "IW203", "--output", "json")

    assert before.stdout == after.stdout
    assert json.loads(after.stdout)["code"] == "IW203"


def test_a_broken_config_file_stops_the_command_and_not_explain(run: Run, tmp_path: object) -> None:
    """A mistake in a config file is an error with its place."""
    done = run("config", "show", IMAGEWRIGHT_JOBS="0")

    assert done.returncode == 2
    assert (
        done.stderr
        == "error[IW101]: the environment's IMAGEWRIGHT_JOBS cannot be '0': it is a whole number from 1 up\n"
    )


def test_a_closed_pipe_is_no_traceback(run: Run) -> None:
    """`imagewright explain | head -0` is quiet."""
    script = f"{sys.executable} -c 'import sys; from imagewright.cli.main import main; sys.exit(main())' explain | true"

    done = run(program=("bash", "-c", script))

    assert done.stderr == ""
