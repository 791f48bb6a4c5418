"""env, labels, annotations, user and workdir: what they take, and what they say of what they do not."""

from typing import Any

import pytest

from imagewright.errors import SpecError
from imagewright.spec import ImageSpec


@pytest.mark.parametrize("value", ["", "a b", 'it\'s "so" $HOME `x` \\ #', "two\nlines\ttab", "ünï ✓", "=a=b", "-x"])
@pytest.mark.parametrize("field", ["env", "labels", "annotations"])
def test_any_text_is_a_value(field: str, value: str) -> None:
    """Nothing is quoted, trimmed or lost."""
    assert dict(getattr(ImageSpec(**{field: {"A": value}}), field)) == {"A": value}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"env": {"A=B": "c"}}, "is not a variable's name"),
        ({"env": {"A\0": "c"}}, "is not a variable's name"),
        ({"env": {"": "c"}}, "is not a variable's name"),
        ({"env": {"A": "b\0c"}}, "holds a NUL character"),
        ({"env": {"A": "\udcff"}}, "is not text"),
        ({"env": {"A": 1}}, "is not a string"),
        ({"env": ["A=1"]}, "is a list, not a dict"),
        ({"labels": {"a b": "c"}}, "is not a label's name"),
        ({"labels": {"dev.imagewright.spec": "mine"}}, "is one that imagewright sets itself"),
        ({"annotations": {"dev.imagewright.lock": "mine"}}, "is one that imagewright sets itself"),
        ({"annotations": {"a": None}}, "is not a string"),
        ({"user": ""}, "is no user"),
        ({"user": True}, "is no user"),
        ({"user": "a:b:c"}, "is no user"),
        ({"user": -1}, "is no user"),
        ({"user": 1 << 32}, "is above 4294967294"),
        ({"workdir": ""}, "is no path"),
        ({"workdir": "app"}, "is not an absolute path in the image"),
        ({"workdir": "/a/../b"}, "is not an absolute path in the image"),
    ],
)
def test_what_cannot_work_is_refused(fields: dict[str, Any], said: str) -> None:
    """Each with the field, what is wrong, and what to write."""
    with pytest.raises(SpecError) as refused:
        ImageSpec(**fields)

    assert said in refused.value.what
    assert refused.value.what.startswith(next(iter(fields)))
    assert refused.value.fix


def test_a_relative_workdir_is_told_as_an_absolute_one() -> None:
    """The fix can be typed."""
    with pytest.raises(SpecError) as refused:
        ImageSpec(workdir="./app/")

    assert refused.value.fix == ('workdir="/root/app"',)


def test_a_user_may_be_a_number_and_a_workdir_has_one_spelling() -> None:
    """So that two that mean the same are one image."""
    assert ImageSpec(user=1000) == ImageSpec(user="1000")
    assert ImageSpec(workdir="//srv/./app/").workdir == "/srv/app"
    assert ImageSpec(user="app:staff").user == "app:staff"


def test_labels_and_annotations_are_added_to() -> None:
    """The spec that they are added to stays as it is."""
    spec = ImageSpec(labels={"a": "1"}, annotations={"b": "1"})

    more = spec.with_labels({"a": "2", "c": "3"}).with_annotations({"d": "4"})

    assert dict(more.labels) == {"a": "2", "c": "3"}
    assert dict(more.annotations) == {"b": "1", "d": "4"}
    assert dict(spec.labels) == {"a": "1"}


def test_a_base_spec_counts_for_the_platform_of_the_one_on_it() -> None:
    """Its own platform does not matter there: it is built for the platform of what stands on it."""
    on_default = ImageSpec(base_image=ImageSpec(), platform="linux/arm64")
    on_arm = ImageSpec(base_image=ImageSpec(platform="linux/arm64"), platform="linux/arm64")

    assert on_default.digest == on_arm.digest
    assert on_default.required == on_arm.required
