"""How a step failed, in the words of its spec: the command, its last lines, and what would help."""

import re
from collections.abc import Sequence

from imagewright.build.kept_lines import KeptLines
from imagewright.build.step import Step
from imagewright.errors import BuildError
from imagewright.packages.deb.programs import package_of
from imagewright.sandbox.bubblewrap import Ended

_MISSING = (
    re.compile(r"^(?:\S*/)?(?:sh|dash): (?:(?:line )?\d+: )?(?P<name>[^\s:/]+): not found$"),
    re.compile(r"(?:^|: )(?:line \d+: )?(?P<name>[^\s:/]+): command not found$"),
    re.compile(r"^(?:/usr/bin/)?env: \W(?P<name>[^\s:/]+)\W: No such file or directory$"),
    re.compile(r"^make(?:\[\d+\])?: (?P<name>[^\s:/]+): No such file or directory$"),
)
_OWNERS = re.compile(r"(?:chown|chgrp|setting ownership|setgroups|setegid|seteuid|Invalid argument).*", re.IGNORECASE)


def failed(step: Step, image: str, ended: Ended, output: KeptLines, *, below: int, one_user: bool) -> BuildError:
    """The error of a step that ended badly. ``below`` layers are kept; ``one_user``: its sandbox had no other than root."""
    lines = output.last
    fix: list[str] = []
    if ended.timed_out:
        how = f"did not end within its time limit of {step.timeout_seconds:g} s"
        fix.append(f'builder_options={{"command_timeout": {2 * (step.timeout_seconds or 0):g}}}')
    elif ended.stopped:
        how = "was stopped"
    elif ended.signal is not None:
        how = f"was ended by signal {ended.signal.name} after {ended.seconds:.1f}s"
    else:
        how = f"ended with exit code {ended.exit_code} after {ended.seconds:.1f}s"
    if name := _missing(lines):
        fix += _help_for(name)
    if one_user and any(_OWNERS.search(line) and "nvalid argument" in line for line in lines):
        fix.append(
            "this user's sandbox has one user, so no file can be given to another one: run it as root, or install uidmap "
            "and let root run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
        )
    script = [f"| + {step.origin.text.strip()}"] if step.origin.field == "commands" else []
    return _error(step, image, how, [*script, *(f"| {line}" for line in output.shown)], fix, below)


def cannot_start(step: Step, image: str, why: str, *, below: int) -> BuildError:
    """The error of a step whose command, a shell or apt, is not in the image."""
    return _error(step, image, "cannot be started", [why], [f"a base image that has {step.argv[0]}"], below)


def _error(step: Step, image: str, how: str, why: list[str], fix: list[str], below: int) -> BuildError:
    return BuildError(
        f"{_what(step, image)} {how}",
        code="IW301",
        why=why,
        kept=f"the {below} layers before it" if below != 1 else "the layer before it",
        fix=fix,
        where=step.origin.where,
    )


def _what(step: Step, image: str) -> str:
    origin = step.origin
    if origin.field == "commands":
        return f"command {origin.number} of {origin.count} of image {image!r}"
    if origin.field == "conda_packages":
        return f"{origin.text} of image {image!r}"
    return f"installing the Debian packages {origin.text} of image {image!r}"


def _missing(lines: Sequence[str]) -> str:
    for line in reversed(lines):
        for pattern in _MISSING:
            if match := pattern.search(line.strip()):
                return match["name"]
    return ""


def _help_for(name: str) -> list[str]:
    package = package_of(name)
    if not package:
        return [f"{name!r} is not in the image: apt_packages=[...] with the Debian package that has it"]
    return [f'{name!r} comes with the Debian package {package!r}: apt_packages=["{package}"]']
