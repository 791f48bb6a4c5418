import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagewright.oci.digest import canonical_json, digest_of, hex_of, parse_digest

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_digest_is_sha256_in_hex() -> None:
    """A digest is written sha256: and the hex of what hashlib gives."""
    assert digest_of(b"hello") == "sha256:" + hashlib.sha256(b"hello").hexdigest()
    assert hex_of(digest_of(b"hello")) == hashlib.sha256(b"hello").hexdigest()


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:xyz", "sha512:" + "0" * 128, "sha256:" + "A" * 64, "sha256:../.."]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    """Only the sha256 form is taken: nothing else may become part of a path or a URL."""
    with pytest.raises(ValueError, match="not a sha256 digest"):
        parse_digest(text)


@given(plain)
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: object) -> None:
    """Two dictionaries that are equal have one spelling."""
    assert canonical_json(value) == canonical_json(_reversed(value))


@pytest.mark.parametrize(
    ("one", "other"),
    [(["ab", "c"], ["a", "bc"]), (["py", "torch"], ["pytorch"]), ({"a": "1"}, {"a": 1}), ([], {}), (None, "null")],
)
def test_what_differs_is_spelled_differently(one: object, other: object) -> None:
    """The framing cases that collide when strings are joined do not collide."""
    assert canonical_json(one) != canonical_json(other)


def test_a_float_is_refused() -> None:
    """A float has more than one spelling, so it may not be hashed, at any depth."""
    with pytest.raises(TypeError, match="float"):
        canonical_json({"a": [1, {"b": 0.1}]})


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reversed(item) for key, item in reversed(value.items())}
    if isinstance(value, list):
        return [_reversed(item) for item in value]
    return value
