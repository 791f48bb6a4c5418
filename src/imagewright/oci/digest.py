"""Digests, and the one JSON spelling that is hashed."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NewType

Digest = NewType("Digest", str)
"""``sha256:`` and 64 lower-case hex digits: sha256 of bytes as they are stored and sent."""

DiffID = NewType("DiffID", str)
"""Written like a `Digest`: sha256 of a layer's uncompressed tar."""

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(data: bytes) -> Digest:
    """The digest of these bytes."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def parse_digest(text: str) -> Digest:
    """``text`` as a digest.

    Source: OCI image-spec v1.1, descriptor.md, "Digests". Only sha256 is taken: no other algorithm is in use.

    Raises:
        ValueError: It is not the sha256 form.
    """
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise ValueError(f"not a sha256 digest: {text!r}")
    return Digest(text)


def hex_of(digest: str) -> str:
    """The 64 hex digits of a digest or diff_id, for use in a file name."""
    return digest.partition(":")[2]


def canonical_json(value: Any) -> bytes:
    """The one spelling of plain values (str, int, bool, None, list, dict with str keys) that is hashed and stored.

    Keys are sorted, nothing is padded, text is UTF-8. Floats are refused: they have more than one spelling.
    """
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no canonical spelling")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_floats(item)
