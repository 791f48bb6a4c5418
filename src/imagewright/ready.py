"""Which keys of a graph may begin; pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")


class Ready(Generic[K]):
    """The keys of a graph, each once all that it needs has ended, at most so many at once; see `imagewright.parallel.run_graph`."""

    def __init__(
        self, needs: Mapping[K, Collection[K]], jobs: int, waiting: Sequence[tuple[Collection[K], int]]
    ) -> None:
        self._group = {key: number for number, (keys, _) in enumerate(waiting, 1) for key in keys}
        self._room = [jobs, *(most for _, most in waiting)]
        self._keys = list(needs)
        self._left = [len(set(of)) for of in needs.values()]
        self._needed_by: dict[K, list[int]] = {key: [] for key in needs}
        for at, of in enumerate(needs.values()):
            for need in set(of):
                self._needed_by[need].append(at)
        self._ready = [at for at, left in enumerate(self._left) if not left]

    def begin(self) -> list[K]:
        """Those that begin now, in their order: whoever asks begins them."""
        begun: list[K] = []
        kept: list[int] = []
        for at in sorted(self._ready):
            key = self._keys[at]
            group = self._group.get(key, 0)
            if self._room[group]:
                self._room[group] -= 1
                begun.append(key)
            else:
                kept.append(at)
        self._ready = kept
        return begun

    def ended(self, key: K) -> None:
        """One that has begun is done."""
        self._room[self._group.get(key, 0)] += 1
        for at in self._needed_by[key]:
            self._left[at] -= 1
            if not self._left[at]:
                self._ready.append(at)
