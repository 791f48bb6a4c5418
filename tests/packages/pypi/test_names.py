"""Guesses at misspelt names."""

import pytest

from imagewright.packages.pypi.names import did_you_mean


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("numpyy", "numpy"),
        ("nunpy", "numpy"),
        ("nmupy", "numpy"),
        ("pands", "pandas"),
        ("Pandsa", "pandas"),
        ("scikitlearn", "scikit-learn"),
        ("scikit_lern", "scikit-learn"),
        ("tensorflw", "tensorflow"),
        ("reqeusts", "requests"),
        ("cv2", "opencv-python-headless"),
        ("PIL", "pillow"),
        ("matplotlb", "matplotlib"),
        ("sqlalchmey", "sqlalchemy"),
        ("beautifulsoop4", "beautifulsoup4"),
    ],
)
def test_a_slip_is_understood(written: str, meant: str) -> None:
    """The well-known project one slip away is meant."""
    assert did_you_mean(written) == meant


@pytest.mark.parametrize("written", ["our-private-thing", "acme-internal-lib", "x" * 200, "qqqq"])
def test_no_guess_is_better_than_a_wild_one(written: str) -> None:
    """A private name is like nothing."""
    assert did_you_mean(written) is None
