"""The program's start. What is imported here is little, so that Ctrl-C is caught from the first moments on."""

import gc
import sys
from collections.abc import Sequence

from imagewright.cli.signals import INTERRUPTED, MESSAGE, catch_signals, without_teardown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with ``arguments`` (this process's own when None), and return its exit code."""
    if arguments is not None:
        return _main(arguments)
    ended = without_teardown()
    code = _main(None)
    ended(code)
    return code


def _main(arguments: Sequence[str] | None) -> int:
    catch_signals()
    # What imports make stays: looking through it again and again is 5 % of a short command.
    gc.set_threshold(100_000, 20, 20)
    try:
        from imagewright.cli.program import run  # 60 ms
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{MESSAGE}\n")
        return INTERRUPTED
    return run(arguments)
