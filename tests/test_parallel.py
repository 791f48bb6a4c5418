import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack

import pytest

from imagewright.parallel import Crowd, InOrder, Relay, beside, cores, quick_switches, run_all, run_graph


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
    relay: Relay[bytes] = Relay(limit=2)
    chunks = [bytes([number]) for number in range(100)]

    def feed() -> None:
        for chunk in chunks:
            relay.put(chunk)
        relay.close()

    with beside(feed):
        assert list(relay) == chunks


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_graph_runs_in_the_order_of_its_needs(jobs: int) -> None:
    """Each key sees the results of what it needs, whatever is asked for at once; results are in the keys' order."""
    needs: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}

    def work(key: str, results: Mapping[str, str]) -> str:
        return key + "".join(results[need] for need in needs[key])

    results = run_graph(work, needs, jobs=jobs)

    assert list(results.items()) == [("a", "a"), ("b", "ba"), ("c", "ca"), ("d", "dbaca")]


def test_a_failure_in_a_graph_stops_what_has_not_begun() -> None:
    """What runs already ends; what waits for nothing but a free place is not begun."""
    begun: list[int] = []
    failed = threading.Event()

    def work(key: int, results: Mapping[int, int]) -> int:
        begun.append(key)
        if key == 0:
            failed.set()
            raise LookupError(key)
        assert failed.wait(30)
        return key

    with pytest.raises(LookupError, match="0"):
        run_graph(work, dict.fromkeys(range(10), ()), jobs=2)

    assert sorted(begun) == [0, 1]


def test_those_that_wait_take_no_place_from_those_that_compute() -> None:
    """With one job, work goes on while two others wait; what needs them begins as soon as its own is there."""
    needs: dict[str, list[str]] = {"slow": [], "quick": [], "of slow": ["slow"], "of quick": ["quick"], "free": []}
    made: list[str] = []
    done = threading.Event()

    def work(key: str, results: Mapping[str, str]) -> str:
        if key == "slow":
            assert done.wait(30)
        elif key != "quick":
            made.append(key)
            if len(made) == 2:
                done.set()
        return key

    results = run_graph(work, needs, jobs=1, waiting=[(["slow", "quick"], 2)])

    assert list(results) == list(needs)
    assert sorted(made[:2]) == ["free", "of quick"]
    assert made[2] == "of slow"


def test_quick_switches_end_with_the_last_body() -> None:
    """The process gets its own interval back when no body runs any more, in whatever order they end."""
    own = sys.getswitchinterval()
    one, other = quick_switches(), quick_switches()

    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    between = sys.getswitchinterval()
    other.__exit__(None, None, None)

    assert between < own
    assert sys.getswitchinterval() == own


def test_calls_beside_are_made_in_their_order() -> None:
    """By one thread, which is not the one that hands on; all are made when the body is left."""
    made: list[tuple[int, bool]] = []
    here = threading.get_ident()

    with InOrder[int](limit=2) as calls:
        assert not calls.begun
        for number in range(100):
            calls.hand_on(lambda number: made.append((number, threading.get_ident() == here)), number)

    assert made == [(number, False) for number in range(100)]


def test_a_call_that_fails_stops_whoever_hands_on() -> None:
    """What it raised is raised there, or at the end of the body; later calls are not made."""
    made: list[int] = []

    def call(number: int) -> None:
        if number == 3:
            raise LookupError(number)
        made.append(number)

    def many() -> None:
        with InOrder[int](limit=1) as calls:
            for number in range(1000):
                calls.hand_on(call, number)

    with pytest.raises(LookupError, match="3"):
        many()
    with pytest.raises(LookupError, match="3"), InOrder[int]() as calls:
        calls.hand_on(call, 3)

    assert made == [0, 1, 2]


def test_an_error_of_the_body_comes_out() -> None:
    """The thread beside ends all the same, once it has made the calls that wait."""
    made: list[int] = []

    def work() -> None:
        with InOrder[int]() as calls:
            for number in range(5):
                calls.hand_on(made.append, number)
            raise KeyError("body")

    with pytest.raises(KeyError, match="body"):
        work()

    assert made == [0, 1, 2, 3, 4]


def test_whoever_hands_on_makes_the_calls_while_all_processors_are_busy() -> None:
    """In the same order, after those that a thread beside was given before; and that thread again once there is room."""
    crowded, here = False, threading.get_ident()
    made: list[tuple[int, bool]] = []

    def call(number: int) -> None:
        made.append((number, threading.get_ident() == here))

    with InOrder[int](crowded=lambda: crowded) as calls:
        for number in range(9):
            crowded = 3 <= number < 6
            calls.hand_on(call, number)

    assert made == [(number, 3 <= number < 6) for number in range(9)]


def test_a_crowd_is_as_large_as_the_machine() -> None:
    """Each thread that computes counts, from its beginning to its end."""
    crowd = Crowd()
    with ExitStack() as stack:
        crowded = [stack.enter_context(crowd.joined())() for _ in range(cores() + 1)]

    assert crowded == [cores() == 1, *([False] * (cores() - 2)), *([True] * min(2, cores()))]
    with crowd.joined() as alone:
        assert alone() == (cores() == 1)
