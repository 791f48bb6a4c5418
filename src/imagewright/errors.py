"""What goes wrong: what happened, why, and what to do, as data. ``cli.render`` turns it into text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Union

from imagewright.dataclass import dataclass

Lines = Union[str, Sequence[str]]


@dataclass(frozen=True)
class Where:
    """A place in the user's own files. ``part`` is what the caret goes under, a piece of ``text``; both may be ""."""

    file: str
    line: int
    text: str = ""
    part: str = ""


class ImagewrightError(Exception):
    """Anything that a user has to hear about. One subclass for one reaction of a caller.

    ``what`` names the user's own thing, with the value. ``why`` are facts: what was tried, where it looked, what the
    other side said. ``kept`` says what was done and is not lost. Each line of ``fix`` is something to type or change.
    ``code`` is what ``imagewright explain`` takes.
    """

    code = "IW100"
    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        code: str = "",
        why: Lines = (),
        kept: str = "",
        fix: Lines = (),
        where: Where | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.code = code or type(self).code
        self.why = _lines(why)
        self.kept = kept
        self.fix = _lines(fix)
        self.where = where

    def __str__(self) -> str:
        return "\n".join([self.what, *self.why, *(f"fix: {line}" for line in self.fix)])


class UsageError(ImagewrightError):
    """The command line, a config file or the user's Python file cannot be understood."""

    code = "IW101"
    exit_code = 2


class SpecError(ImagewrightError, ValueError):
    """A field of an ImageSpec, or an argument of @task, has a value that cannot work.

    It is a ValueError as well, because flytekit raises that for the same mistakes.
    """

    code = "IW102"
    exit_code = 2


class LockError(ImagewrightError):
    """What was asked for cannot be resolved: it does not exist, does not fit together, or not this platform."""

    code = "IW200"
    exit_code = 3


class BuildError(ImagewrightError):
    """A step of a build failed: a command, or a layer that cannot be written."""

    code = "IW300"
    exit_code = 1


class CredentialsError(ImagewrightError):
    """A registry or index wants a login, or refuses the one that it got."""

    code = "IW400"
    exit_code = 4


class NetworkError(ImagewrightError):
    """A registry, index or mirror does not answer, or answers with an error of its own."""

    code = "IW500"
    exit_code = 5


class IntegrityError(ImagewrightError):
    """Bytes are not what their digest, signature or record says. They were not used."""

    code = "IW510"
    exit_code = 5


class StoreError(ImagewrightError):
    """The local store cannot do it: no such image, no space, no right to write."""

    code = "IW520"
    exit_code = 5


class SandboxError(ImagewrightError):
    """The machine, or the builder that was asked for, cannot do this kind of work."""

    code = "IW600"
    exit_code = 6


class TaskError(ImagewrightError):
    """A task failed, ran out of time or memory, or could not be started. ``traceback`` is the task's own, or ""."""

    code = "IW310"
    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        traceback: str = "",
        code: str = "",
        why: Lines = (),
        kept: str = "",
        fix: Lines = (),
        where: Where | None = None,
    ) -> None:
        super().__init__(what, code=code, why=why, kept=kept, fix=fix, where=where)
        self.traceback = traceback


class RunnerError(ImagewrightError):
    """There is nowhere to run, or the place does not take the run."""

    code = "IW700"
    exit_code = 7


_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/@\s]*@")
_TOKEN = re.compile(r"(?P<host>https?://[^/\s]+/t/)[^/\s]+(?=/)")  # where conda's channels have it


def redacted(text: str) -> str:
    """``text`` with the user and password of every URL in it replaced by ``***``, and the token of a conda channel."""
    return _TOKEN.sub(lambda match: match["host"] + "***", _USERINFO.sub(lambda match: match["scheme"] + "***@", text))


def _lines(value: Lines) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
