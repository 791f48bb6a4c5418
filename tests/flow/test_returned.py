"""What a task returns beside what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imagewright.errors import TaskError
from imagewright.flow.returned import check_returned


class Index:
    """As a number of numpy's."""

    def __index__(self) -> int:
        return 3


def says(annotation: Any) -> Callable[..., Any]:
    def function() -> None:
        """A task."""

    function.__annotations__["return"] = annotation
    return function


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 3), (int, True), ("int", 3), (int, Index()), (float, 3), (float, 3.5), (float, Index()), (str, "s"), ("list[int]", [1]),
        (list[int], [1]), (dict[str, int], {}), (tuple[int, str], (1, "a")), (int | None, None), ("int | None", None), (None, 3),
        (Any, "s"), ("DataFrame", object()), (bytes, b""),
    ],
)  # fmt: skip
def test_what_fits_is_taken(annotation: Any, value: Any) -> None:
    """Built-in types as they are; what promises nothing that can be checked here is not checked."""
    check_returned("fn", says(annotation), value)


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        (int, "s", "returned str, and it says that it returns int"),
        ("int", 3.5, "returned float, and it says that it returns int"),
        (str, 3, "returned int, and it says that it returns str"),
        (float, "3.5", "returned str, and it says that it returns float"),
        (list[int], (1,), "returned tuple, and it says that it returns list"),
        ("dict[str, int]", None, "returned NoneType, and it says that it returns dict"),
    ],
)
def test_another_type_is_an_error_where_it_was_made(annotation: Any, value: Any, told: str) -> None:
    """It names the task, both types and the line of the function."""
    with pytest.raises(TaskError, match=told) as caught:
        check_returned("fn", says(annotation), value)

    assert caught.value.code == "IW313"
    assert caught.value.where is not None
    assert "def function" in caught.value.where.text
