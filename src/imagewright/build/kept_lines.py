"""What is kept of what a step says: its last lines, and the first one that speaks of an error."""

import re
from collections import deque

KEPT = 40
"""Lines from the end."""

_SHOWN = 6
_AROUND = 3  # of the first error: what a script said before it, and how dpkg goes on
_BEHIND = 2  # from the end, when there was an error far above
_ERROR = re.compile(r"^E: |^dpkg: error|\b(?:[Ee]rror|ERROR):")


class KeptLines:
    """Takes lines, and knows which ones a message shows. Empty lines do not count.

    apt goes on after a package that fails, and ends with the names of all that needed it: what was wrong is far above.
    """

    def __init__(self) -> None:
        self._last: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._around: list[tuple[int, str]] = []
        self._error = 0  # the first one's number
        self._count = 0

    def add(self, line: str) -> None:
        """The next line."""
        if not line.strip():
            return
        self._count += 1
        if not self._error and _ERROR.search(line):
            self._error = self._count
            self._around = list(self._last)[-1:]
        if self._error and len(self._around) < _AROUND:
            self._around.append((self._count, line))
        self._last.append((self._count, line))

    @property
    def last(self) -> tuple[str, ...]:
        """The last lines."""
        return tuple(line for _, line in self._last)

    @property
    def shown(self) -> tuple[str, ...]:
        """At most six: the last ones, or fewer of them behind the first error, with a mark where lines are left out."""
        last = list(self._last)[-_SHOWN:]
        if not self._error or self._error >= last[0][0]:
            return tuple(line for _, line in last)
        lines = [*self._around, *(one for one in last[-_BEHIND:] if one[0] > self._around[-1][0])]
        shown: list[str] = []
        for at, (number, line) in enumerate(lines):
            if at and number != lines[at - 1][0] + 1:
                shown.append("[...]")
            shown.append(line)
        return tuple(shown)
