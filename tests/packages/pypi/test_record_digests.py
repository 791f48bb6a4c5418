"""All digests of a RECORD at once, as one after the other."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagewright.packages.pypi.record_digests import decode_all, encode_all


def _one(digest: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


GOOD = _one(hashlib.sha256(b"x").digest())


@given(st.lists(st.binary(min_size=32, max_size=32)))
def test_there_and_back(digests: list[bytes]) -> None:
    """Each as Python's own base64 spells it."""
    texts = encode_all(digests)

    assert texts == [_one(digest) for digest in digests]
    assert decode_all(texts) == digests


@pytest.mark.parametrize(
    "text",
    ["", "sha256=", GOOD[:-1], GOOD + "=", GOOD.replace("sha256", "sha512"), GOOD[:-1] + "+", GOOD[:20] + "/" + GOOD[21:],
     GOOD[:20] + "\n" + GOOD[21:], GOOD[:20] + "=" + GOOD[21:], GOOD[:20] + "é" + GOOD[21:], GOOD[:-1] + "B", "md5=" + "A" * 46],
)  # fmt: skip
def test_anything_else_has_to_be_looked_at(text: str) -> None:
    """Another algorithm, length or character, padding, or bits that no encoder leaves."""
    assert decode_all([GOOD, text, GOOD]) is None
