"""The threads beside a layer's writer: one inflates what is spliced, the other hashes the tar to its diff_id, proves and stores."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from imagewright.layer.planned import Sink
from imagewright.layer.splice import Deflated, at_once, pieces
from imagewright.oci.digest import DiffID
from imagewright.parallel import Crowd, InOrder

_BATCH = 1 << 20
_LARGE = 1 << 15  # handing on costs some 5 us: what is smaller is hashed at once
_WRITERS = Crowd()
_AHEAD = 8  # pieces, of `_BATCH` bytes or little more


class DiffIDWriter:
    """Takes a tar's bytes and the layer's stored ones; gives the diff_id when it is left.

    Of the work for a wheel's layer a third is Python that walks through its files, a third inflating, and a third hashing:
    sha256 of the tar, the sha256 that RECORD has of each file, and the store's own of what is stored. So what the
    writer's thread hands on passes a thread that inflates the large files, once there is one, and then one that does the
    rest, in order. Small files the writer's thread inflates itself.
    """

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._tar = hashlib.sha256()
        self._stack = ExitStack()
        self._unproven: list[tuple[Deflated, Any]] = []
        self._waiting: list[bytes] = []
        self._size = 0

    def __enter__(self) -> "DiffIDWriter":
        crowded = self._stack.enter_context(_WRITERS.joined())
        self._calls: InOrder[Any] = self._stack.enter_context(InOrder(limit=_AHEAD // 2, crowded=crowded))
        self._reading: InOrder[Any] = self._stack.enter_context(InOrder(limit=_AHEAD, crowded=crowded))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._flush()
            except BaseException as failure:
                self._stack.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._stack.__exit__(kind, error, traceback)
        if kind is None:
            for content, hasher in self._unproven:
                content.check_proof(hasher)

    def add(self, data: bytes) -> None:
        """The tar's next bytes."""
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _BATCH:
            self._flush()

    def splice(self, content: Deflated) -> None:
        """Large content: its stream is the next that is stored, while what it inflates to goes into the tar.

        It is read later, by `settle` at the latest. That it lies may only show there, or when the ``with`` is left.
        """
        self._flush()
        self._reading.hand_on(self._splice, content)

    def splice_at_once(self, content: Deflated) -> bytes:
        """Content that fits: what it inflates to goes into the tar; its stream, which the caller has to store.

        Raises:
            BrokenStream: The content lies. Of content above 32 KiB the proof is only known when the ``with`` is left.
        """
        piece, plain = at_once(content)
        self.add(plain)
        hasher = content.hasher()
        if hasher:
            if content.size > _LARGE:
                self._hand_on(hasher.update, plain)
                self._unproven.append((content, hasher))
            else:
                hasher.update(plain)
                content.check_proof(hasher)
        return piece

    def store(self, data: bytes) -> None:
        """The layer's next stored bytes."""
        self._hand_on(self._out.write, data)

    def settle(self) -> None:
        """Wait until all content has been read: its source may be closed then."""
        self._reading.settle()

    @property
    def diff_id(self) -> DiffID:
        """The diff_id; only known after the ``with``."""
        return DiffID("sha256:" + self._tar.hexdigest())

    def _flush(self) -> None:
        self._hand_on(self._tar.update, b"".join(self._waiting))
        self._waiting.clear()
        self._size = 0

    def _hand_on(self, call: Callable[[bytes], object], data: bytes) -> None:
        if self._reading.begun:
            self._reading.hand_on(self._pass_on, (call, data))
        else:
            self._calls.hand_on(call, data)

    def _pass_on(self, item: tuple[Callable[[bytes], object], bytes]) -> None:
        self._calls.hand_on(*item)

    def _splice(self, content: Deflated) -> None:
        hasher = content.hasher()

        def take(both: tuple[bytes, bytes]) -> None:
            piece, plain = both
            self._tar.update(plain)
            if hasher:
                hasher.update(plain)
            if piece:
                self._out.write(piece)

        for both in pieces(content):
            self._calls.hand_on(take, both)
        self._unproven.append((content, hasher))
