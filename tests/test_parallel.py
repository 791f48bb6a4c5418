import threading

import pytest

from imagewright.parallel import Relay, beside, run_all


def test_results_come_in_the_order_of_the_items() -> None:
    """The first item may end last; its result is first all the same."""
    last_begun = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert last_begun.wait(10)
        if item == 3:
            last_begun.set()
        return item * item

    assert run_all(work, range(4), jobs=4) == [0, 1, 4, 9]


def test_no_more_than_jobs_at_once() -> None:
    """``jobs`` bounds how many items are worked on at a time."""
    lock, now, most = threading.Lock(), 0, 0

    def work(item: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        with lock:
            now -= 1

    run_all(work, range(200), jobs=3)

    assert most <= 3


def test_the_first_failure_stops_what_has_not_begun() -> None:
    """The failure is raised, and items behind it are not begun."""
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise LookupError(item)

    with pytest.raises(LookupError, match="1"):
        run_all(work, range(1000), jobs=2)

    assert len(begun) < 1000


def test_beside_raises_what_the_work_raised() -> None:
    """A failure beside the body is not lost."""

    def work() -> None:
        raise LookupError("beside")

    with pytest.raises(LookupError, match="beside"), beside(work):
        pass


def test_a_relay_hands_on_every_chunk_in_order_and_waits_when_full() -> None:
    """The one who puts waits while the limit is reached, so memory stays bounded."""
    relay = Relay(limit=2)
    chunks = [bytes([number]) for number in range(100)]

    def feed() -> None:
        for chunk in chunks:
            relay.put(chunk)
        relay.close()

    with beside(feed):
        assert list(relay) == chunks
