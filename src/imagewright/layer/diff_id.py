"""The diff_id of a tar that is being written, hashed on a thread beside the one that writes."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from imagewright.layer.splice import Deflated, pieces
from imagewright.oci.digest import DiffID
from imagewright.parallel import Relay, beside

_BATCH = 1 << 18
_LARGE = 1 << 15  # handing on costs some 5 us: what is smaller is hashed at once


class DiffIDWriter:
    """Takes a tar's bytes; gives the diff_id when it is left. Proves the proofs of what was spliced on the way.

    Inflating and the two hashes (sha256 of the tar, and the one that a wheel's RECORD has of each file) cost about the
    same, so that the writer's thread inflates and this one's hashes: two thirds of the time of one thread.
    """

    def __init__(self) -> None:
        self._tar = hashlib.sha256()
        self._relay: Relay[tuple[bytes, bytes, Any]] = Relay(limit=16)
        self._unproven: list[tuple[Deflated, Any]] = []
        self._waiting: list[bytes] = []
        self._size = 0
        self._stack = ExitStack()

    def __enter__(self) -> "DiffIDWriter":
        self._stack.enter_context(beside(self._hash))
        self._stack.callback(self._relay.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._hand_on(b"", None)
        self._stack.close()
        if kind is None:
            for content, hasher in self._unproven:
                content.check_proof(hasher)

    def add(self, data: bytes) -> None:
        """The tar's next bytes."""
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _BATCH:
            self._hand_on(b"", None)

    def through(self, content: Deflated) -> Iterator[bytes]:
        """The content's stream piece by piece, while what it inflates to goes into the tar.

        Raises:
            BrokenStream: The content lies. Of large content the proof is only known when the ``with`` is left.
        """
        hasher = content.hasher()
        if content.size > _LARGE:
            for piece, plain in pieces(content):
                self._hand_on(plain, hasher)
                yield piece
            self._unproven.append((content, hasher))
            return
        for piece, plain in pieces(content):
            if hasher:
                hasher.update(plain)
            self.add(plain)
            yield piece
        content.check_proof(hasher)

    @property
    def diff_id(self) -> DiffID:
        """The diff_id; only known after the ``with``."""
        return DiffID("sha256:" + self._tar.hexdigest())

    def _hand_on(self, content: bytes, hasher: Any) -> None:
        self._relay.put((b"".join(self._waiting), content, hasher))
        self._waiting.clear()
        self._size = 0

    def _hash(self) -> None:
        for before, content, hasher in self._relay:
            self._tar.update(before)
            self._tar.update(content)
            if hasher:
                hasher.update(content)
