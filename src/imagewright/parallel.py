"""Threads: the only module that starts them."""

import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, TypeVar

from imagewright.ready import Ready

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K")
A = TypeVar("A")


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(work: Callable[[T], R], items: Iterable[T], *, jobs: int) -> list[R]:
    """``work`` on every item, at most ``jobs`` at once; results in the order of the items.

    The first failure (in order of the items) is raised; items that were not begun are then not begun.
    """
    waiting = list(items)
    if jobs <= 1 or len(waiting) <= 1:
        return [work(item) for item in waiting]
    numbers = iter(range(len(waiting)))
    lock = threading.Lock()
    results: dict[int, R] = {}
    failures: dict[int, BaseException] = {}
    stopped = threading.Event()

    def run() -> None:
        while not stopped.is_set():
            with lock:
                at = next(numbers, None)
            if at is None:
                return
            try:
                results[at] = work(waiting[at])
            except BaseException as error:
                failures[at] = error
                stopped.set()

    with _threads(run, min(jobs, len(waiting)), stopped.set):
        pass
    if failures:
        raise failures[min(failures)]
    return [results[at] for at in range(len(waiting))]


def run_graph(
    work: Callable[[K, Mapping[K, R]], R],
    needs: Mapping[K, Collection[K]],
    *,
    jobs: int,
    waiting: Sequence[tuple[Collection[K], int]] = (),
    interrupt: Callable[[], None] = lambda: None,
) -> dict[K, R]:
    """``work(key, results so far)`` on every key once all that it needs is done, at most ``jobs`` at once.

    Of the keys that are ready, the first ones of ``needs`` go first. Keys that mostly wait for others, such as downloads, take no
    place from those that compute: of each group of ``waiting`` so many run besides. After a failure nothing more is
    begun; it is raised when what was running has ended. With one job and nothing that waits all runs on this thread, in the
    order of ``needs``, where each key comes after what it needs. ``interrupt`` is called when this thread is interrupted while it waits: it
    has to make what is running end.
    """
    results: dict[K, R] = {}
    if len(needs) <= 1 or (jobs <= 1 and not waiting):
        for key in needs:
            results[key] = work(key, results)
        return results
    ready = Ready(needs, jobs, waiting)
    begun: SimpleQueue[tuple[K, Mapping[K, R]] | None] = SimpleQueue()
    ended: SimpleQueue[tuple[K, R] | BaseException] = SimpleQueue()
    workers = min(jobs, len(needs)) + sum(min(len(keys), most) for keys, most in waiting)

    def run() -> None:
        while (task := begun.get()) is not None:
            try:
                ended.put((task[0], work(*task)))
            except BaseException as error:
                ended.put(error)

    def stop() -> None:
        for _ in range(workers):
            begun.put(None)

    running = 0
    failed: BaseException | None = None
    with _threads(run, workers, stop):
        try:
            while True:
                for key in ready.begin() if failed is None else ():
                    begun.put((key, dict(results)))
                    running += 1
                if not running:
                    break
                end = ended.get()
                running -= 1
                if isinstance(end, BaseException):
                    failed = failed or end
                else:
                    results[end[0]] = end[1]
                    ready.ended(end[0])
        except BaseException:
            interrupt()
            raise
        finally:
            stop()
    if failed is not None:
        raise failed
    return {key: results[key] for key in needs}


class Beside(Generic[R]):
    """Work that a thread of its own does."""

    def __init__(self, work: Callable[[], R]) -> None:
        self._work = work
        self._results: list[R] = []
        self._failures: list[BaseException] = []
        self._ended = threading.Event()

    def run(self) -> None:
        """Do it: what the thread calls."""
        try:
            self._results.append(self._work())
        except BaseException as error:
            self._failures.append(error)
        finally:
            self._ended.set()

    def result(self) -> R:
        """Wait for its end; what it returned, or raise what it raised."""
        self._ended.wait()
        if self._failures:
            raise self._failures[0]
        return self._results[0]


@contextmanager
def beside(work: Callable[[], R]) -> Iterator[Beside[R]]:
    """``work`` on a thread of its own while the body runs. Leaving the body waits for it and raises what it raised."""
    other = Beside(work)
    with _threads(other.run, 1, lambda: None):
        yield other
    other.result()


@contextmanager
def _threads(run: Callable[[], None], count: int, stop: Callable[[], None]) -> Iterator[None]:
    """So many threads run ``run`` while the body runs. Leaving it waits for them; when it is left by an error, or the
    waiting is interrupted, ``stop`` is called first."""
    threads = [threading.Thread(target=run, name="imagewright", daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
        for thread in threads:
            thread.join()
    except BaseException:
        stop()
        for thread in threads:
            thread.join()
        raise


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


class Crowd:
    """Counts the threads that compute, so that each knows whether a helper would find a processor of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0

    @contextmanager
    def joined(self) -> Iterator[Callable[[], bool]]:
        """One more thread computes while the body runs. Gives what tells whether all processors are busy."""
        processors = cores()
        with self._lock:
            self._threads += 1
        try:
            yield lambda: self._threads >= processors
        finally:
            with self._lock:
                self._threads -= 1


class InOrder(Generic[A]):
    """Calls made by one thread beside, in their order; inside a ``with``. For one thread that hands on at a time.

    The thread begins with the first call. While ``limit`` of them are on their way, whoever hands on another one waits.
    When all processors are busy without it (``crowded``), whoever hands on makes the call, once those before it are made:
    threads that only wait for each other's turn cost a tenth of the time.
    What a call raises is raised where the next one is handed on, and when the ``with`` is left; the calls behind it are
    dropped.
    """

    def __init__(self, limit: int = 16, *, crowded: Callable[[], bool] = lambda: False) -> None:
        self._calls: Relay[tuple[Callable[[A], object], A] | threading.Event] = Relay(limit)
        self._crowded = crowded
        self._handed_on = self._made = 0
        self._stack = ExitStack()
        self._begin = threading.Lock()
        self._begun = False
        self._failure: BaseException | None = None

    def __enter__(self) -> "InOrder[A]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    @property
    def begun(self) -> bool:
        """Whether there was a call."""
        return self._begun

    def hand_on(self, call: Callable[[A], object], argument: A) -> None:
        """Have ``call(argument)`` made after all that was handed on before."""
        if self._failure is not None:
            raise self._failure
        if self._crowded():
            if self._made < self._handed_on:
                self.settle()
            call(argument)
            return
        if not self._begun:
            self._start()
        self._handed_on += 1
        self._calls.put((call, argument))

    def settle(self) -> None:
        """Wait until all that was handed on has been done, and raise what a call has raised."""
        if self._begun:
            settled = threading.Event()
            self._calls.put(settled)
            settled.wait()
        if self._failure is not None:
            raise self._failure

    def _start(self) -> None:
        with self._begin:
            if not self._begun:
                self._stack.enter_context(beside(self._work))
                self._stack.callback(self._calls.close)
                self._begun = True

    def _work(self) -> None:
        try:
            for item in self._calls:
                if isinstance(item, threading.Event):
                    item.set()
                else:
                    item[0](item[1])
                    self._made += 1
        except BaseException as error:
            self._failure = error
            for item in self._calls:  # whoever hands on, or waits, must not wait for ever
                if isinstance(item, threading.Event):
                    item.set()
            raise
