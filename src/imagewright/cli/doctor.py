"""`imagewright doctor`: is all there that a build and a run need?"""

from pathlib import Path
from typing import Any

import click

from imagewright.cli.app import App
from imagewright.cli.checks import CHECKS, Check, Surroundings
from imagewright.cli.options import build_options, talk_options
from imagewright.cli.session import session_of
from imagewright.cli.terminal import clean, many
from imagewright.dataclass import dataclass
from imagewright.errors import ImagewrightError, SandboxError


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check said, or the error that it raised."""

    name: str
    said: str = ""
    error: ImagewrightError | None = None


@click.command()
@build_options
@talk_options
@click.pass_obj
def doctor(app: App) -> int:
    """Say whether this machine can build and run, and what helps where it cannot.

    The exit code is 6 when something is missing.
    """
    around = Surroundings(session_of(app), Path.home())
    findings = [examine(name, check, around) for name, check in CHECKS.items()]
    wrong = [finding for finding in findings if finding.error is not None]
    lines = [line for finding in findings for line in as_lines(finding)]
    app.console.answer("\n".join(lines), {"checks": [_json(finding) for finding in findings]})
    app.console.say(f"{many(len(wrong), 'thing')} to fix" if wrong else "All is well.")
    return SandboxError.exit_code if wrong else 0


def examine(name: str, check: Check, around: Surroundings) -> Finding:
    """What a check finds."""
    try:
        return Finding(name, check(around))
    except ImagewrightError as error:
        return Finding(name, error=error)


def as_lines(finding: Finding) -> list[str]:
    """``ok`` and what was found, or ``no`` with what is wrong and what helps."""
    if finding.error is None:
        return [f"ok  {finding.name:<16} {clean(finding.said)}"]
    error = finding.error
    facts = [f"    {'':<16} {clean(line)}" for line in error.why]
    return [
        f"no  {finding.name:<16} {clean(error.what)}",
        *facts,
        *(f"    {'':<16} help: {clean(line).strip()}" for line in error.fix),
    ]


def _json(finding: Finding) -> dict[str, Any]:
    if finding.error is None:
        return {"name": finding.name, "ok": True, "found": finding.said}
    error = finding.error
    return {"name": finding.name, "ok": False, "code": error.code, "message": error.what, "help": list(error.fix)}
