"""What comes out of a sandbox: the command's lines, and what bwrap says of itself."""

import json
import os

from imagewright.sandbox.memory import MemoryLimit
from imagewright.sandbox.process import OnLine, Ward


class Talk:
    """Lines on their way out. What bwrap says of itself is held until it is known that the command did not say it."""

    def __init__(self, on_stdout: OnLine, on_stderr: OnLine) -> None:
        self.on_stdout = on_stdout
        self._on_stderr = on_stderr
        self.held: list[str] = []

    def on_stderr(self, line: str) -> None:
        """A line, of either."""
        if line.startswith("bwrap: ") and len(self.held) < 20:
            self.held.append(line)
        else:
            self._on_stderr(line)

    def release(self) -> None:
        """Hand on what was held: the command said it."""
        for line in self.held:
            self._on_stderr(line)


class Status:
    """bwrap's reports: the sandbox's first process, which waits to be released, and its exit code."""

    def __init__(self, limit: MemoryLimit | None, release: int, ward: Ward) -> None:
        self._limit = limit
        self._release = release
        self._ward = ward
        self._rest = b""
        self.exit_code: int | None = None

    def feed(self, data: bytes) -> None:
        """The next bytes of bwrap's JSON lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            document = json.loads(line)
            if "exit-code" in document:
                self.exit_code = int(document["exit-code"])
            elif "child-pid" in document:
                self._ward.found(int(document["child-pid"]))
                if self._limit is not None:
                    self._limit.admit(int(document["child-pid"]))
                    os.write(self._release, b"1")
