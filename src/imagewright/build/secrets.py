"""Secrets of commands: which command names which, and their values, which are read when a command is about to run."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from imagewright.dataclass import dataclass
from imagewright.errors import BuildError, SpecError, Where
from imagewright.sandbox.places import SECRETS
from imagewright.spec import ImageSpec

FOLDER = SECRETS
SHORTEST = 4
"""Bytes. What is shorter would be found everywhere, so it could not be kept out of what is shown."""

_MENTION = re.compile(r"/run/secrets/([A-Za-z0-9_.-]*[A-Za-z0-9_-])|\$\{?([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class StepSecret:
    """A secret that a step finds as the file ``/run/secrets/NAME``, and with ``variable`` as an environment variable too.

    ``source`` is where this machine has it, ``env:NAME`` or ``file:PATH``, the path from ``directory``.
    """

    name: str
    variable: bool
    source: str
    directory: Path
    where: Where


def named_secrets(command: str, spec: ImageSpec) -> tuple[StepSecret, ...]:
    """The secrets of a spec that a command names: ``/run/secrets/NAME``, or ``$NAME`` for the variable as well."""
    files, variables = set(), set()
    for match in _MENTION.finditer(command):
        files.add(match[1] or match[2])
        variables.add(match[2])
    return tuple(
        StepSecret(name, name in variables, source, spec.directory, spec.where_of(f'"{name}"'))
        for name, source in sorted(spec.secrets.items())
        if name in files
    )


def check_secrets(spec: ImageSpec) -> None:
    """See that every secret is named by a command, and every file that commands name is a secret.

    Raises:
        SpecError: One is not: it was mistyped on either side.
    """
    named = {secret.name for command in spec.commands for secret in named_secrets(command, spec)}
    for name in spec.secrets:
        if name not in named:
            raise SpecError(
                f"no command names the secret {name!r}, so none would see it",
                fix=f"write {FOLDER}/{name} in the command that needs it, or ${name} for an environment variable",
                where=spec.where_of(name),
            )
    for command in spec.commands:
        for match in _MENTION.finditer(command):
            if match[1] and match[1] not in spec.secrets:
                raise SpecError(
                    f"a command names {FOLDER}/{match[1]}, which is no secret of the image",
                    fix=f'secrets={{"{match[1]}": "env:NAME"}} or {{"{match[1]}": "file:PATH"}}',
                    where=spec.where_of(f"{FOLDER}/{match[1]}"),
                )


def read_secrets(secrets: Iterable[StepSecret], environ: Mapping[str, str], *, image: str) -> dict[str, bytes]:
    """The values, by name.

    Raises:
        BuildError: IW305, one is not there, or cannot be used.
    """
    return {secret.name: _value(secret, environ, image) for secret in secrets}


def _value(secret: StepSecret, environ: Mapping[str, str], image: str) -> bytes:
    kind, _, place = secret.source.partition(":")
    if kind == "env":
        if place not in environ:
            raise _absent(secret, image, f"the environment variable {place} is not set", f"export {place}=...")
        value = os.fsencode(environ[place])
    else:
        path = secret.directory / os.path.expanduser(place)
        if place.startswith("~/") and environ.get("HOME"):
            path = Path(environ["HOME"], place[2:])
        try:
            value = path.read_bytes()
        except OSError as error:
            why = f"{path}: {error.strerror}"
            raise _absent(secret, image, why, "put it there, or name another file") from error
    if len(value.strip()) < SHORTEST:
        raise _absent(secret, image, f"it has fewer than {SHORTEST} bytes", "give it a value")
    if secret.variable and b"\0" in value:
        raise _absent(secret, image, "no environment variable can hold a NUL", f"use the file {FOLDER}/{secret.name}")
    return value


def _absent(secret: StepSecret, image: str, why: str, fix: str) -> BuildError:
    return BuildError(
        f"the secret {secret.name!r} of image {image!r} is not there",
        code="IW305",
        why=why,
        kept="nothing was begun; what is in the cache is kept",
        fix=fix,
        where=secret.where,
    )
