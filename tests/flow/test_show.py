"""What a person sees of a result that the host never decoded."""

import dataclasses
import datetime
import enum
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imagewright.flow.show import plain, show
from imagewright.flow.values import Encoded, read_encoded, write_values


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: float


@dataclasses.dataclass
class Box:
    corner: Point
    colour: Colour


def encoded(folder: Path, value: Any) -> Encoded:
    write_values({"value": value}, folder, of="t")
    return read_encoded(folder)["value"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        4,
        -1.5,
        [0, 1, 4],
        (1,),
        (1, "a"),
        (),
        {1: "a", "b": [None]},
        {3},
        set(),
        frozenset([1]),
        range(3),
        range(0, 4, 2),
        b"ab",
        bytearray(b"ab"),
        [float("inf"), float("nan")],
        Point(1, 2.5),
        ["it's", '"'],
    ],
    ids=repr,
)
def test_it_is_what_python_writes(tmp_path: Path, value: Any) -> None:
    """Whether the task ran here or in a container."""
    assert show(encoded(tmp_path, value)) == show(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "text", "json_value"),
    [
        ("plain text", "plain text", "plain text"),
        (["text"], "['text']", ["text"]),
        (1 << 80, hex(1 << 80), 1 << 80),
        (Colour.RED, "Colour.RED", "RED"),
        (
            Box(Point(1, 2.0), Colour.RED),
            "Box(corner=Point(x=1, y=2.0), colour=Colour.RED)",
            {"corner": {"x": 1, "y": 2.0}, "colour": "RED"},
        ),
        ({"a": (1, 2)}, "{'a': (1, 2)}", {"a": [1, 2]}),
        ({1: 2}, "{1: 2}", "{1: 2}"),
        (float("nan"), "nan", "nan"),
        (datetime.date(2026, 1, 31), "2026-01-31", "2026-01-31"),
        (datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC), "2026-01-31T00:00:00+00:00", "2026-01-31T00:00:00+00:00"),
        (Path("not/there"), "not/there", "not/there"),
    ],
    ids=repr,
)
def test_an_encoded_value_for_people_and_for_json(tmp_path: Path, value: Any, text: str, json_value: Any) -> None:
    """``--output json`` has numbers, texts, lists and objects where the value has them."""
    result = encoded(tmp_path, value)

    assert show(result) == text
    assert plain(result) == json_value
    json.dumps(plain(result), allow_nan=False)


def test_encoded_values_in_a_structure(tmp_path: Path) -> None:
    """A workflow's output holds the results of several tasks."""
    two, text = encoded(tmp_path / "a", 2), encoded(tmp_path / "b", "x")

    assert show((Point(two, 1.0), {"k": [text]})) == "(Point(x=2, y=1.0), {'k': ['x']})"  # type: ignore[arg-type]
    assert plain((Point(two, 1.0), {"k": [text]})) == [{"x": 2, "y": 1.0}, {"k": ["x"]}]  # type: ignore[arg-type]


def test_a_foreign_value_is_shown_by_what_its_task_recorded(tmp_path: Path) -> None:
    """Of bounded length."""
    assert show(encoded(tmp_path / "a", slice(1, 2))) == "slice(1, 2, None)"
    assert len(show(encoded(tmp_path / "b", slice("x" * 10_000, 2)))) < 5000
