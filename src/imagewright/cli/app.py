"""What one run of the program has: the flags that were given, the settings they lead to, and the console.

The modules behind it are imported when they are first asked for: --version and --help do without them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagewright.cli.render import Console
    from imagewright.cli.settings import Found, Settings, Sources


class App:
    """Shared by all that one command does. ``flags`` is filled while the command line is parsed, and read after that."""

    def __init__(self) -> None:
        self.flags: dict[str, Any] = {}

    @cached_property
    def sources(self) -> Sources:
        """Where this process's settings are looked for."""
        from imagewright.cli.settings import Sources, user_file

        return Sources(os.environ, Path.cwd(), user_file(os.environ))

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of this process."""
        return self.sources.environ

    @property
    def directory(self) -> Path:
        """The folder that the command runs in."""
        return self.sources.directory

    @cached_property
    def found(self) -> Found:
        """The settings and their origins. First used when the whole command line is parsed."""
        from imagewright.cli.settings import find_settings

        return find_settings(self.flags, self.sources)

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.found.settings

    @cached_property
    def console(self) -> Console:
        """Where text goes. It works even when the settings cannot be read, since it has to say so."""
        from imagewright.cli.render import Console
        from imagewright.errors import ImagewrightError

        try:
            progress, output = self.settings.progress, self.settings.output
        except ImagewrightError:
            progress, output = self.flags.get("progress") or "auto", self.flags.get("output") or "text"
        return Console(
            sys.stdout,
            sys.stderr,
            self.environ,
            progress=progress,
            output=output,
            verbose=bool(self.flags.get("verbose")),
            directory=self.directory,
        )
