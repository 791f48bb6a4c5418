"""Every error code of the source has an explanation."""

import re
from pathlib import Path

import pytest

import imagewright.cli
from imagewright import errors
from imagewright.cli.explanation import as_text
from imagewright.cli.explanations import EXPLANATIONS

SOURCE = Path(str(imagewright.cli.__path__[0])).parent


def codes_in_source() -> set[str]:
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if not path.name.startswith("explanations"):
            found |= set(re.findall(r'"(IW\d{3})"', path.read_text(encoding="utf-8")))
    return found


def test_every_code_that_an_error_carries_is_explained() -> None:
    """`imagewright explain` never has to say that it does not know a code that it printed."""
    codes = codes_in_source()

    assert len(codes) >= 10
    assert codes <= set(EXPLANATIONS)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ImagewrightError)],
)
def test_every_class_of_error_has_an_explained_code(kind: type[errors.ImagewrightError]) -> None:
    """Also an error that names no code of its own."""
    assert kind.code in EXPLANATIONS


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_an_explanation_fits_a_screen(code: str) -> None:
    """It has a meaning and help, short enough to be read."""
    lines = as_text(EXPLANATIONS[code]).splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) <= 132
    assert EXPLANATIONS[code].meaning.strip()
    assert EXPLANATIONS[code].helps.strip()
