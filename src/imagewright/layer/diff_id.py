"""The thread beside a layer's writer: it hashes the tar to its diff_id, proves what was spliced, and stores."""

import hashlib
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from imagewright.layer.planned import Sink
from imagewright.layer.splice import Deflated, pieces
from imagewright.oci.digest import DiffID
from imagewright.parallel import InOrder

_BATCH = 1 << 18
_LARGE = 1 << 15  # handing on costs some 5 us: what is smaller is hashed at once


class DiffIDWriter:
    """Takes a tar's bytes and the layer's stored ones; gives the diff_id when it is left.

    Inflating costs about as much as the rest: sha256 of the tar, the sha256 that a wheel's RECORD has of each file, and
    the store's own of what is stored. So the writer's thread inflates, and the one beside it does the rest, in order:
    torch takes 60 % of the time that one thread would need.
    """

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._tar = hashlib.sha256()
        self._calls: InOrder[bytes] = InOrder(limit=32)
        self._unproven: list[tuple[Deflated, Any]] = []
        self._waiting: list[bytes] = []
        self._size = 0

    def __enter__(self) -> "DiffIDWriter":
        self._calls.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._flush()
            except BaseException as failure:
                self._calls.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._calls.__exit__(kind, error, traceback)
        if kind is None:
            for content, hasher in self._unproven:
                content.check_proof(hasher)

    def add(self, data: bytes) -> None:
        """The tar's next bytes."""
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _BATCH:
            self._flush()

    def through(self, content: Deflated) -> Iterator[bytes]:
        """The content's stream piece by piece, while what it inflates to goes into the tar.

        Raises:
            BrokenStream: The content lies. Of large content the proof is only known when the ``with`` is left.
        """
        hasher = content.hasher()
        if content.size > _LARGE:
            self._flush()
            for piece, plain in pieces(content):
                self._calls.hand_on(self._tar.update, plain)
                if hasher:
                    self._calls.hand_on(hasher.update, plain)
                yield piece
            self._unproven.append((content, hasher))
            return
        for piece, plain in pieces(content):
            if hasher:
                hasher.update(plain)
            self.add(plain)
            yield piece
        content.check_proof(hasher)

    def store(self, data: bytes) -> None:
        """The layer's next stored bytes."""
        self._calls.hand_on(self._out.write, data)

    @property
    def diff_id(self) -> DiffID:
        """The diff_id; only known after the ``with``."""
        return DiffID("sha256:" + self._tar.hexdigest())

    def _flush(self) -> None:
        self._calls.hand_on(self._tar.update, b"".join(self._waiting))
        self._waiting.clear()
        self._size = 0
