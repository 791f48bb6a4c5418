"""Threads: the only module that starts them."""

import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K")


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _NotBegun(Exception):
    """An item that comes after a failure."""


def run_all(work: Callable[[T], R], items: Iterable[T], *, jobs: int) -> list[R]:
    """``work`` on every item, at most ``jobs`` at once; results in the order of the items.

    The first failure (in order of the items) is raised; items that were not begun are then not begun.
    """
    waiting = list(items)
    if jobs <= 1 or len(waiting) <= 1:
        return [work(item) for item in waiting]
    stopped = threading.Event()

    def begin(item: T) -> R:
        if stopped.is_set():
            raise _NotBegun
        try:
            return work(item)
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(max_workers=min(jobs, len(waiting)), thread_name_prefix="imagewright") as pool:
        futures = [pool.submit(begin, item) for item in waiting]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            for future in futures:
                future.cancel()
        wait([future for future in futures if not future.cancelled()])
        for future in futures:
            if not future.cancelled() and not isinstance(future.exception(), _NotBegun):
                future.result()
        return [future.result() for future in futures]


def run_graph(
    work: Callable[[K, Mapping[K, R]], R],
    needs: Mapping[K, Collection[K]],
    *,
    jobs: int,
    interrupt: Callable[[], None] = lambda: None,
) -> dict[K, R]:
    """``work(key, results so far)`` on every key once all that it needs is done, at most ``jobs`` at once.

    Of the keys that are ready, the first ones of ``needs`` go first. After a failure nothing more is begun; it is
    raised when what was running has ended. With one job all runs on this thread, in the order of ``needs``, where each
    key comes after what it needs. ``interrupt`` is called when this thread is interrupted while it waits: it has to
    make what is running end.
    """
    results: dict[K, R] = {}
    if jobs <= 1 or len(needs) <= 1:
        for key in needs:
            results[key] = work(key, results)
        return results
    waiting = list(needs)
    running: dict[Future[R], K] = {}
    failed: BaseException | None = None
    with ThreadPoolExecutor(max_workers=min(jobs, len(needs)), thread_name_prefix="imagewright") as pool:
        try:
            while running or (waiting and failed is None):
                for key in [key for key in waiting if all(need in results for need in needs[key])]:
                    if failed is None and len(running) < jobs:
                        waiting.remove(key)
                        running[pool.submit(work, key, dict(results))] = key
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    error = future.exception()
                    if error is None:
                        results[key] = future.result()
                    else:
                        failed = failed or error
        except BaseException:
            interrupt()
            raise
    if failed is not None:
        raise failed
    return {key: results[key] for key in needs}


@contextmanager
def beside(work: Callable[[], R]) -> Iterator[Future[R]]:
    """``work`` on a thread of its own while the body runs. Leaving the body waits for it and raises what it raised."""
    future: Future[R] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, name="imagewright-beside", daemon=True)
    thread.start()
    try:
        yield future
    finally:
        thread.join()
    future.result()


SWITCH_SECONDS = 0.0001
"""A thread that comes back from inflating or hashing waits up to this long for one that computes. Python's own 5 ms,
after each of thousands of pieces, made writing a 190 MB wheel take 2.5 s on two processors instead of 1.8 s."""

_bodies = threading.Lock()
_intervals: list[float] = []  # one for each body that runs: the process's own interval


@contextmanager
def quick_switches() -> Iterator[None]:
    """While the body runs, or any other body of this, threads hand the interpreter over at once."""
    with _bodies:
        _intervals.append(_intervals[0] if _intervals else sys.getswitchinterval())
        sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        with _bodies:
            own = _intervals.pop()
            if not _intervals:
                sys.setswitchinterval(own)


class Relay(Generic[T]):
    """A bounded queue from one thread to another: ``put`` waits while ``limit`` items are on their way."""

    def __init__(self, limit: int = 16) -> None:
        self._queue: SimpleQueue[T | None] = SimpleQueue()
        self._room = threading.Semaphore(limit)

    def put(self, item: T) -> None:
        """Hand on an item, which must not change afterwards."""
        self._room.acquire()
        self._queue.put(item)

    def close(self) -> None:
        """Say that no more will come."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[T]:
        while (item := self._queue.get()) is not None:
            self._room.release()
            yield item
