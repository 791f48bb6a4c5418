"""A workflow's signature as options of the command line."""

import enum
import shlex
from collections.abc import Sequence
from typing import Any

import click

from imagewright.errors import UsageError
from imagewright.flow.graph import REQUIRED, Graph, Input
from imagewright.flow.parse import described, parse


def read_inputs(graph: Graph, arguments: Sequence[str], *, program: str, own: frozenset[str]) -> dict[str, Any]:
    """The workflow's inputs from ``--name value`` arguments; defaults for those that are not given.

    ``program`` is how the command line began, for help and errors; ``own`` are the options of `run` itself. With --help among the arguments the options are
    printed and the program ends.

    Raises:
        UsageError, click.UsageError: An option is missing, unknown, or has a value that cannot be.
    """
    command = click.Command(
        program,
        params=[_option(each) for each in graph.inputs],
        help=f"Inputs of the workflow {graph.name}.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    try:
        given = command.make_context(program, list(arguments)).params
    except click.NoSuchOption as error:
        if error.option_name in own:
            raise UsageError(
                f"{error.option_name} is an option of `imagewright run`, and no input of {graph.name}",
                fix=f"write it before the file: {_option_first(program, arguments, error.option_name)}",
            ) from error
        raise
    return {each.name: _value(each, given[_parameter(each)]) for each in graph.inputs}


def _option_first(program: str, arguments: Sequence[str], option: str) -> str:
    """The command line with ``option``, and the value after it if there is one, where `run` reads it."""
    left = list(arguments)
    at = next((number for number, text in enumerate(left) if text.partition("=")[0] == option), len(left))
    end = at + 1 if left[at + 1 : at + 2] and left[at + 1].startswith("-") else at + 2
    moved = left[at:end] or [option]
    del left[at:end]
    first, _, rest = program.partition(" run ")
    return " ".join([f"{first} run", *map(shlex.quote, moved), rest, *map(shlex.quote, left)])


def _parameter(each: Input) -> str:
    # Not the input's own name: click makes parameters lower-case, and an input may be called "help".
    return f"input_{each.name}".lower()


def _option(each: Input) -> click.Option:
    dashed = each.name.replace("_", "-")
    names = [f"--{dashed}"] if dashed == each.name else [f"--{dashed}", f"--{each.name}"]
    required = each.default is REQUIRED
    says = described(each.annotation) + ("" if required else f"; default: {_default_text(each.default)}")
    if each.annotation is bool:
        declared = [f"{name}/{name.replace('--', '--no-', 1)}" for name in names]
        return click.Option([*declared, _parameter(each)], required=required, default=None, help=says)
    return click.Option([*names, _parameter(each)], required=required, metavar=each.name.upper(), help=says)


def _value(each: Input, given: Any) -> Any:
    if given is None:
        return each.default
    return parse(given, each.annotation, name=each.name.replace("_", "-")) if isinstance(given, str) else given


def _default_text(default: Any) -> str:
    return str(default.name) if isinstance(default, enum.Enum) else repr(default)
