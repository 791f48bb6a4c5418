"""Compiles Python sources: a program for the image's own interpreter, so it is written for all of them.

What marshal writes depends on what else the process holds: a string that another module has interned gets a flag, and so on.
So each source is compiled in a process of its own, the copy of one that has never compiled anything: the bytes are a
function of the source alone, in whatever order and beside whatever else.

Arguments: the folder with ``index`` and ``sources``, the folder for what is made, how many processes, the level of
optimization, and 1 when Python is to compare each source with its bytecode. A line of ``index`` is the number of bytes of the
next source, and its path in the image. Each process appends records to a file of its own: the line's number and the
number of bytes that follow, in eight bytes each. A source that is no Python for this interpreter has none, as with pip.
"""

# Nothing but what is in the interpreter itself: the library has no bytecode either, and may lack parts.
import _imp
import gc
import marshal
import posix
import sys
from _frozen_importlib_external import MAGIC_NUMBER  # importlib.util's, which is not loaded

FROM_START, FROM_HERE = 0, 1  # of lseek
CRASHES = (6, 11)  # SIGABRT and SIGSEGV: a source that an interpreter cannot bear, always
NICE = 10  # what a user waits for goes first


def main(given: str, made: str, processes: int, level: int, check: bool) -> int:
    """Compile all that the index names; 1 when something went wrong that is not the source's fault."""
    with open(given + "/index", "rb") as index:
        lines = index.read().splitlines()
    with open(made + "/tag", "w") as tag:
        tag.write(sys.implementation.cache_tag or "")
    sources = posix.open(given + "/sources", posix.O_RDONLY)
    outputs = [posix.open(f"{made}/{number}", posix.O_WRONLY | posix.O_CREAT, 0o644) for number in range(processes)]
    free = list(range(processes))
    running: dict[int, tuple[int, int]] = {}
    failed = 0
    offset = 0
    posix.nice(NICE)
    gc.disable()

    for number, line in enumerate(lines):
        digits, path = line.split(b" ", 1)
        size = int(digits)
        if not free:
            failed = ended(running, free, outputs) or failed
        slot = free.pop()
        start = posix.lseek(outputs[slot], 0, FROM_HERE)
        pid = posix.fork()
        if not pid:
            status = 1
            try:
                compile_one(posix.pread(sources, size, offset), path, outputs[slot], number, level, check)
                status = 0
            finally:
                posix._exit(status)
        running[pid] = slot, start
        offset += size
    while running:
        failed = ended(running, free, outputs) or failed
    return failed


def ended(running: "dict[int, tuple[int, int]]", free: "list[int]", outputs: "list[int]") -> int:
    """Wait for a process, and take back what it wrote in part; 1 when it should have ended well."""
    pid, status = posix.wait()
    slot, start = running.pop(pid)
    free.append(slot)
    if not status:
        return 0
    posix.ftruncate(outputs[slot], start)
    posix.lseek(outputs[slot], start, FROM_START)
    return 0 if status & 0x7F in CRASHES else 1


def compile_one(source: bytes, path: bytes, out: int, number: int, level: int, check: bool) -> None:
    """Write the record of one source, unless it cannot be compiled. Source: PEP 552."""
    try:
        code = compile(source, path.decode("utf-8", "surrogateescape"), "exec", dont_inherit=True, optimize=level)
    except (SyntaxError, ValueError, RecursionError, OverflowError):
        return
    flags = 3 if check else 1
    digest = _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), source)
    bytecode = MAGIC_NUMBER + flags.to_bytes(4, "little") + digest + marshal.dumps(code)
    record = number.to_bytes(8, "little") + len(bytecode).to_bytes(8, "little") + bytecode
    while record:
        record = record[posix.write(out, record) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "1"))
