"""`imagewright.dataclass` beside the standard library's: the same classes, made by both, behave alike."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from imagewright.dataclass import dataclass

Decorator = Callable[..., Any]


class Plain:
    """A class of each kind of field."""

    name: str
    size: int = 0
    parts: list[str] = dataclasses.field(default_factory=list, compare=False)
    secret: str = dataclasses.field(default="", repr=False)
    made: int = dataclasses.field(default=7, init=False)


class Checked:
    """A class with methods of its own."""

    x: int
    y: int = 2

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x is below zero")

    def __repr__(self) -> str:
        return "its own"

    @property
    def both(self) -> int:
        """A property."""
        return self.x + self.y


class Empty:
    """No field at all."""


OPTIONS = [
    {},
    {"frozen": True},
    {"slots": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "order": True},
]


def made(decorator: Decorator, model: type, options: dict[str, bool]) -> Any:
    """A new class like ``model``; a decorator without slots changes the class that it gets."""
    namespace = {name: value for name, value in vars(model).items() if name not in ("__dict__", "__weakref__")}
    return decorator(**options)(type(model.__name__, (), copy.copy(namespace)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_values_behave_as_the_standard_librarys(options: dict[str, bool]) -> None:
    """What a value shows, what it is equal to, its order, its hash and what it refuses."""
    assert behaviour(dataclass, options) == behaviour(dataclasses.dataclass, options)


def behaviour(decorator: Decorator, options: dict[str, bool]) -> list[object]:
    """All that is compared."""
    kind, checked, empty = (made(decorator, model, options) for model in (Plain, Checked, Empty))
    one, same, other = kind("a", 1, ["x"]), kind("a", size=1, parts=["y"]), kind("b")
    return [
        repr(one),
        one == same,
        one == other,
        one == "a",
        attempt(lambda: hash(one) == hash(same), TypeError),
        attempt(lambda: one < other, TypeError),
        attempt(lambda: one >= other, TypeError),
        attempt(lambda: setattr(one, "size", 3), AttributeError),
        attempt(lambda: delattr(other, "size"), AttributeError),
        attempt(lambda: setattr(other, "unknown", 3), (AttributeError, TypeError)),
        attempt(lambda: kind(), TypeError),
        attempt(lambda: kind("a", made=1), TypeError),
        dataclasses.asdict(same),
        repr(dataclasses.replace(one, name="c")),
        [field.name for field in dataclasses.fields(kind)],
        [(name, default.kind, default.default) for name, default in inspect.signature(kind).parameters.items()][:2],
        kind.__match_args__,
        kind("q").parts is kind("q").parts,
        repr(copy.deepcopy(one)),
        hasattr(one, "__dict__"),
        repr(checked(1)),
        checked(1, 3).both,
        attempt(lambda: checked(-1), ValueError),
        empty() == empty(),
    ]


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that is pickled."""

    name: str
    size: int = 0


def test_a_frozen_value_with_slots_is_pickled() -> None:
    """It goes to another process and back."""
    assert pickle.loads(pickle.dumps(Kept("a", 2))) == Kept("a", 2)


def test_what_it_does_not_do_is_refused() -> None:
    """A dataclass below it, and fields for __init__ alone."""
    with pytest.raises(TypeError, match="use the standard library's"):
        dataclass(type("Derived", (Kept,), {}))
    with pytest.raises(TypeError, match="use the standard library's"):
        dataclass(type("Given", (), {"__annotations__": {"x": dataclasses.InitVar[int]}}))


def test_a_field_without_a_default_after_one_with() -> None:
    """Python's own decorator refuses it as well."""
    namespace = {"__annotations__": {"x": int, "y": int}, "x": 1}
    for decorator in (dataclass, dataclasses.dataclass):
        with pytest.raises(TypeError, match="non-default argument 'y' follows default argument"):
            decorator(type("Wrong", (), dict(namespace)))


def attempt(call: Callable[[], object], expected: type[Exception] | tuple[type[Exception], ...]) -> object:
    """What a call gives, or that it is refused."""
    try:
        return call()
    except expected:
        return "refused"
