import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagewright.packages.deb.version import satisfies, version_key

# Few letters, so that two versions differ late rather than at once.
_UPSTREAM = st.text("019ab~+.", max_size=7).map(lambda text: f"1{text}")
VERSIONS = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:", "12:"]),
    _UPSTREAM,
    st.one_of(st.just(""), st.text("019ab~+.", min_size=1, max_size=4).map(lambda text: f"-{text}")),
)


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0-0+b1"),
        ("1.0-1", "1:0.1-1"),
        ("2.36-9+deb12u9", "2.36-9+deb12u10"),
        ("1.0a", "1.0+"),
        ("1.0~~", "1.0~~a"),
        ("9", "10"),
        ("7.2.0", "7.2.0.1"),
    ],
)
def test_the_order_is_the_policy_s(lower: str, higher: str) -> None:
    """Tildes come before the end, letters before signs, numbers count as numbers, epochs decide."""
    assert version_key(lower) < version_key(higher)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0-0"), ("0:1", "1"), ("1.02", "1.2"), ("1.", "1.0")])
def test_spellings_of_one_version_are_equal(one: str, other: str) -> None:
    """A missing epoch or revision is 0, and leading zeros do not count."""
    assert version_key(one) == version_key(other)


def test_an_unknown_operator_is_refused() -> None:
    """A relation that nobody has defined is an error."""
    with pytest.raises(ValueError, match="=>"):
        satisfies("1", "=>", "1")


@pytest.mark.tool
@settings(max_examples=60)
@given(one=VERSIONS, other=VERSIONS)
def test_dpkg_says_the_same(program: Callable[[str], str], one: str, other: str) -> None:
    """Any two versions compare as ``dpkg --compare-versions`` compares them."""
    dpkg = program("dpkg")

    for operator, word in (("<<", "lt-nl"), ("=", "eq"), (">>", "gt-nl")):
        said = subprocess.run(
            [dpkg, "--compare-versions", one, word, other], timeout=20, check=False, stderr=subprocess.DEVNULL
        ).returncode

        assert satisfies(one, operator, other) == (said == 0), (one, operator, other)
