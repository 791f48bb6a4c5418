"""Poetry's constraints, by the examples of its documentation."""

import pytest

from imagewright.packages.pypi.poetry_constraint import allows


@pytest.mark.parametrize(
    ("constraint", "inside", "outside"),
    [
        ("^1.2.3", "1.2.3 1.9.9", "1.2.2 2.0.0"),
        ("^1.2", "1.2.0 1.9", "1.1 2.0"),
        ("^1", "1 1.9", "0.9 2"),
        ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.2 0.0.4"),
        ("^0.0", "0.0.0 0.0.9", "0.1.0"),
        ("^0", "0.0 0.9", "1.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0"),
        ("~1", "1.0 1.9", "2.0"),
        ("*", "0 9", ""),
        ("", "0 9", ""),
        ("1.*", "1.0 1.9", "2.0"),
        (">=1.2,<2 || >=3", "1.2 1.9 3.0 9", "1.1 2.0 2.9"),
        (">= 1.2, < 1.5", "1.2 1.4.9", "1.5"),
        (">=1.2 <1.5", "1.2 1.4.9", "1.5"),
        ("1.2.3", "1.2.3", "1.2.4"),
        ("~=1.2", "1.2 1.9", "2.0"),
        ("!=1.5", "1.4 1.6", "1.5"),
        ("^2.0b1", "2.0b1 2.9", "2.0a9 3.0"),
        ("not a constraint", "1", ""),
    ],
)
def test_what_a_constraint_allows(constraint: str, inside: str, outside: str) -> None:
    """Each version on its side."""
    assert [version for version in inside.split() if not allows(constraint, version)] == []
    assert [version for version in outside.split() if allows(constraint, version)] == []
