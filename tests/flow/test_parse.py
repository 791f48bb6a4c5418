"""Texts become values by the annotation of an input."""

import dataclasses
import datetime
import enum
from pathlib import Path
from typing import Any, Literal, NamedTuple, Optional, Union

import pytest

from imagewright.errors import UsageError
from imagewright.flow.parse import described, example, parse


class Colour(enum.Enum):
    RED = "r"
    GREEN = 2


class Point(NamedTuple):
    x: int
    y: float = 0.5


@dataclasses.dataclass
class Job:
    name: str
    points: list[Point]
    when: datetime.date | None = None


@dataclasses.dataclass
class Task:
    """A dataclass of which an example can be made."""

    count: int
    share: float
    title: str
    colour: Colour
    day: datetime.date
    sizes: list[int]
    maybe: str | None
    note: str = ""


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("4", int, 4),
        ("-4", int, -4),
        ("4", float, 4.0),
        ("1e-3", float, 1e-3),
        ("4", str, "4"),
        ("", str, ""),
        ("none", str, "none"),
        ("true", bool, True),
        ("No", bool, False),
        ("0", bool, False),
        ("none", int | None, None),
        ("4", Optional[int], 4),  # noqa: UP045 - the spelling of Python 3.9
        ("4", Union[int, str], 4),  # noqa: UP007
        ("four", int | str, "four"),
        ("4", str | int, 4),
        ("none", str | None, None),
        ("aGk=", bytes, b"hi"),
        ("2026-01-31", datetime.date, datetime.date(2026, 1, 31)),
        ("2026-01-31T10:00:00Z", datetime.datetime, datetime.datetime(2026, 1, 31, 10, tzinfo=datetime.UTC)),
        ("2026-01-31", datetime.datetime, datetime.datetime(2026, 1, 31)),
        ("90", datetime.timedelta, datetime.timedelta(seconds=90)),
        ("RED", Colour, Colour.RED),
        ("r", Colour, Colour.RED),
        ("2", Colour, Colour.GREEN),
        ("[1, 2]", list[int], [1, 2]),
        ("[1, 2]", list, [1, 2]),
        ("[1, 2]", list[float], [1.0, 2.0]),
        ('[["a", 1]]', list[tuple[str, int]], [("a", 1)]),
        ("[1, 2, 3]", tuple[int, ...], (1, 2, 3)),
        ("[1, 1]", set[int], {1}),
        ('{"a": [1]}', dict[str, list[int]], {"a": [1]}),
        ('{"1": 2}', dict[int, int], {1: 2}),
        ('{"x": 1}', Point, Point(1)),
        (
            '{"name": "n", "points": [{"x": 1, "y": 2}], "when": "2026-01-31"}',
            Job,
            Job("n", [Point(1, 2.0)], datetime.date(2026, 1, 31)),
        ),
        ("a", Literal["a", "b"], "a"),
        ("0", Literal[0, 1], 0),
        ('{"a": 1}', Any, {"a": 1}),
        ("hello", Any, "hello"),
    ],
)
def test_a_text_is_a_value_of_its_annotation(text: str, annotation: Any, value: Any) -> None:
    """As a person would expect it, in value and in type."""
    parsed = parse(text, annotation)

    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation", "said"),
    [
        ("four", int, "is not a whole number"),
        ("1.5", int, "is not a whole number"),
        ("x", float, "is not a number"),
        ("maybe", bool, "is not true or false"),
        ("yesterday", datetime.date, "is not a date"),
        ("BLUE", Colour, "is not one of RED, GREEN"),
        ("c", Literal["a", "b"], "is not one of a, b"),
        ("1", list[int], "is not a JSON list"),
        ('["a"]', list[int], "is not a JSON list"),
        ("[true]", list[int], "is not a JSON list"),
        ("[1, 2, 3]", tuple[int, int], "is not a JSON list"),
        ("{", dict, "is not a JSON object"),
        ('{"z": 1}', Point, "is not a Point, written as JSON"),
        ("{}", Point, "is not a Point, written as JSON"),
        ("not/there.csv", Path, "is not a file or directory that is there"),
        ("a", int | float, "is not a whole number"),
        ("{}", Exception, "is not a Exception, written as JSON"),
    ],
)
def test_a_text_that_is_no_such_value(text: str, annotation: Any, said: str) -> None:
    """The error shows the option, what it should be, and an example that works."""
    with pytest.raises(UsageError) as caught:
        parse(text, annotation, name="n")

    assert caught.value.what == f"--n {text!r} {said}"
    assert caught.value.why[0]
    assert caught.value.fix[0].startswith("write it as in: --n ")


def test_a_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task may run in another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("")

    assert parse("data.csv", Path) == tmp_path / "data.csv"


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        float,
        str,
        bool,
        bytes,
        datetime.date,
        datetime.datetime,
        datetime.timedelta,
        list,
        tuple,
        set,
        dict,
        Colour,
        Task,
        Any,
    ],
)
def test_its_own_example_works(annotation: Any) -> None:
    """What the error tells to type is a value."""
    parse(example(annotation).strip("'"), annotation)

    assert described(annotation)
