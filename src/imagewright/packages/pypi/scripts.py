"""The commands of a wheel: what its entry points become, and which interpreter its own scripts get."""

import re

from imagewright.dataclass import dataclass

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_INTERPRETER = re.compile(r"python[0-9.]*w?")
_VALUE = re.compile(r"(?P<module>[^\s:\[\]]+)\s*:\s*(?P<attribute>[^\s:\[\]]+)\s*(?:\[[^\]]*\])?")

# pip's own, which it prefers to distlib's because it does not import re.
_LAUNCHER = """\
#!{interpreter}
import sys
from {module} import {first}
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit({attribute}())
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A console or gui script: on Linux there is no difference."""

    name: str
    module: str
    attribute: str

    def launcher(self, interpreter: str) -> bytes:
        """The script, byte for byte as pip 26 writes it."""
        first = self.attribute.partition(".")[0]
        return _LAUNCHER.format(
            interpreter=interpreter, module=self.module, first=first, attribute=self.attribute
        ).encode()


def commands(entry_points: str) -> list[Command]:
    """The commands that an entry_points.txt declares, in its order.

    Source: packaging.python.org, "Entry points specification", "File format". Names are held to the characters that
    it recommends, and none may take the interpreter's place.

    Raises:
        ValueError: One of them cannot be a command; the text says why.
    """
    found: dict[str, Command] = {}
    section = ""
    for line in map(str.strip, entry_points.splitlines()):
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section in ("console_scripts", "gui_scripts"):
            command = _command(line)
            if found.setdefault(command.name, command) != command:
                raise ValueError(f"the command {command.name!r} is declared twice")
    return list(found.values())


def _command(line: str) -> Command:
    name, _, value = (part.strip() for part in line.partition("="))
    match = _VALUE.fullmatch(value)
    if not _NAME.fullmatch(name) or _INTERPRETER.fullmatch(name):
        raise ValueError(f"no command can be called {name!r}")
    if not match or not all(map(str.isidentifier, match["module"].split(".") + match["attribute"].split("."))):
        raise ValueError(f"the command {name!r} is to call {value!r}, which is no module:function")
    return Command(name, match["module"], match["attribute"])


def is_python_script(start: bytes) -> bool:
    """Whether a script that begins with these bytes (at least eight) is to get the environment's interpreter.

    Source: binary distribution format (wheel) 1.0, "Recommended installer features": a first line ``#!python``.
    """
    return start.startswith(b"#!python")


def with_interpreter(script: bytes, interpreter: str) -> bytes:
    """The script with another first line."""
    return b"#!" + interpreter.encode() + b"\n" + script.partition(b"\n")[2]
