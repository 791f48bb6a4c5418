import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from imagewright.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(8):
    data = [bytes(1 << 20) for _ in range(8)]  # 8 MiB at once, as a layer has them on their way
    del data
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    data = [bytes(1 << 20) for _ in range(8)]
    del data
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout)


def test_what_is_freed_is_used_again() -> None:
    """Memory that was used once causes no more page faults; without the setting it comes anew each time."""
    given_back = _faults("given back")
    if given_back < 10_000:
        pytest.skip("this C library keeps freed memory by itself")

    assert _faults("kept") < given_back / 10
