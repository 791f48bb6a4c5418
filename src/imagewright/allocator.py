"""The C library's memory: what a build frees, it wants again a moment later."""

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h of glibc
_LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc takes no larger one


def keep_freed_memory() -> None:
    """Have malloc keep what is freed until the process ends.

    Content passes in pieces of a MiB. Given back to the system, each comes again as 256 pages that have to be cleared: a
    twentieth of the processor time of a layer of torch. It costs some 15 MB. A C library without such settings is left as it is.
    Source: glibc manual, "Malloc Tunable Parameters".
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)
        mallopt(_M_TOP_PAD, 4 << 20)
