"""Values survive a folder."""

import dataclasses
import datetime
import enum
import json
import math
import os
import stat
from collections import OrderedDict
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagewright.errors import TaskError
from imagewright.flow.values import Encoded, read_encoded, read_values, write_values


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: float


@dataclasses.dataclass(frozen=True)
class Box:
    corner: Point
    tags: dict[str, list[int]]
    inner: "Box | None" = None


@dataclasses.dataclass
class Counted:
    """Its constructor changes what it is given: a decoded one must not be counted again."""

    count: int

    def __post_init__(self) -> None:
        self.count += 1


class Plain:
    """A class of a user's own that has no plain form."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


def through(folder: Path, value: Any) -> Any:
    write_values({"value": value}, folder, of="task 't'")
    return read_values(folder, of="task 't'")["value"]


def document(folder: Path, value: Any) -> Any:
    write_values({"value": value}, folder, of="task 't'")
    return read_encoded(folder)["value"].document


atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.sampled_from([datetime.UTC, ZoneInfo("Europe/Berlin")]))
    | st.times()
    | st.timedeltas()
    | st.sampled_from(list(Colour))
    | st.sampled_from([Access.READ, Access.READ | Access.WRITE])
    | st.builds(Point, st.integers(), st.floats(allow_nan=False))
    | st.builds(PurePosixPath, st.just("a/b"))
)
keys = (
    st.integers()
    | st.text()
    | st.tuples(st.integers(), st.text())
    | st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.sets(keys)
        | st.frozensets(keys)
        | st.builds(
            Box, st.builds(Point, st.integers(), st.just(0.5)), st.dictionaries(st.text(), st.lists(st.integers()))
        )
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal in value and in type, all the way down: 1, 1.0 and True are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(a, b) and same(one[a], other[b]) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


@given(value=values)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_survives(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    """What is read is what was written, types included, and nothing of it was pickled that has a plain form."""
    folder = tmp_path_factory.mktemp("values")

    assert same(through(folder, value), value)


@given(value=values)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_is_passed_on_undecoded(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    """An encoded value inside a list and a dict of plain ones is what it was, in the next folder too."""
    folder = tmp_path_factory.mktemp("values")
    write_values({"value": value}, folder / "first", of="a")
    encoded = read_encoded(folder / "first")["value"]

    write_values({"next": [encoded, {"in": (encoded, 1)}]}, folder / "second", of="b")

    read = read_values(folder / "second", of="b")["next"]
    assert same(read[0], value)
    assert same(read[1]["in"], (value, 1))


@pytest.mark.parametrize(
    "value",
    [float("inf"), -float("inf"), -0.0, 5e-324, 0.1 + 0.2, 1 << 70, -(1 << 63), 1 << 20000],
    ids=lambda v: type(v).__name__,
)
def test_numbers_are_exact(tmp_path: Path, value: Any) -> None:
    """Infinities, the sign of zero, and whole numbers of any length."""
    assert same(through(tmp_path, value), value)


def test_nan_stays_nan(tmp_path: Path) -> None:
    """And the document is JSON that any reader takes."""
    assert math.isnan(through(tmp_path, [float("nan")])[0])
    json.loads((tmp_path / "values.json").read_text(), parse_constant=lambda name: pytest.fail(name))


def test_plain_values_are_never_pickled(tmp_path: Path) -> None:
    """Whatever has a plain form is readable by another Python, whichever it is."""
    value = [1, "a", {2: Box(Point(1, 2.0), {})}, (Colour.RED, {3}), datetime.datetime.now(ZoneInfo("UTC"))]

    assert "pickle" not in json.dumps(document(tmp_path, value))


def test_a_dataclass_is_not_made_anew(tmp_path: Path) -> None:
    """__init__ and __post_init__ do not run again over fields that are final."""
    assert through(tmp_path, Counted(1)).count == 2


def test_a_foreign_object_is_pickled_with_the_reason(tmp_path: Path) -> None:
    """And with what a host shows, which cannot load it."""
    written = document(tmp_path, Plain(3))

    assert written["$"] == "pickle"
    assert written["reason"].endswith("Plain has no plain form")
    assert written["type"].endswith(":Plain")
    assert "Plain object" in written["text"]
    assert read_values(tmp_path, of="t")["value"] == Plain(3)


def test_a_subclass_of_a_plain_type_keeps_its_type(tmp_path: Path) -> None:
    """It is no dict, and a dict would not do in its place."""
    value = OrderedDict([("b", 1), ("a", 2)])

    assert same(through(tmp_path, value), value)


def test_a_list_that_holds_itself(tmp_path: Path) -> None:
    """It has no document, so it is pickled, and is one again."""
    value: list[Any] = [1]
    value.append(value)

    read = through(tmp_path, {"list": value})["list"]

    assert read[1] is read


def test_what_pickle_refuses_is_an_error(tmp_path: Path) -> None:
    """The error names the value, its type and what pickle said."""
    with pytest.raises(TaskError) as caught:
        write_values({"result": lambda: 1}, tmp_path, of="task 't'")

    assert caught.value.code == "IW313"
    assert caught.value.what == "task 't': result cannot be passed on, it is of type builtins.function"
    assert "pickle does not take it" in caught.value.why[0]


def test_a_pickle_that_does_not_load_says_what_it_was(tmp_path: Path) -> None:
    """The type, the reason, and the Python that wrote it."""
    write_values({"model": Plain(1)}, tmp_path, of="t")
    text = (tmp_path / "values.json").read_text()
    data = json.loads(text)["values"]["model"]["base64"]
    (tmp_path / "values.json").write_text(text.replace(data, data[:-8]))

    with pytest.raises(TaskError) as caught:
        read_values(tmp_path, of="task 'fit'")

    assert caught.value.what == "task 'fit': model cannot be read here"
    assert "Plain, pickled by Python 3." in caught.value.why[0]


def test_a_file_is_copied_with_its_name_and_mode(tmp_path: Path) -> None:
    """The task that gets it sees the same name, bytes and mode at another place."""
    source = tmp_path / "run.sh"
    source.write_text("exit 0\n")
    source.chmod(0o750)

    read = through(tmp_path / "values", source)

    assert read != source
    assert (read.name, read.read_text(), stat.S_IMODE(read.stat().st_mode)) == ("run.sh", "exit 0\n", 0o750)


def test_a_directory_is_copied_as_a_tree(tmp_path: Path) -> None:
    """With its links as links, also when it is only passed on."""
    tree = tmp_path / "data"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "a.txt").write_text("a")
    (tree / "link").symlink_to("deep/a.txt")

    write_values({"value": tree}, tmp_path / "one", of="t")
    write_values(read_encoded(tmp_path / "one"), tmp_path / "two", of="t")

    read = read_values(tmp_path / "two", of="t")["value"]
    assert read.is_relative_to(tmp_path / "two")
    assert (read / "deep" / "a.txt").read_text() == "a"
    assert os.readlink(read / "link") == "deep/a.txt"


def test_a_path_to_nothing_is_a_path(tmp_path: Path) -> None:
    """Also a pure one, of either kind."""
    value = [Path("not/there"), PurePosixPath("/a"), PureWindowsPath("c:/b")]

    assert same(through(tmp_path, value), value)


def test_big_bytes_are_a_file(tmp_path: Path) -> None:
    """The document stays small."""
    data = bytes(range(256)) * 1000

    assert through(tmp_path, data) == data
    assert (tmp_path / "values.json").stat().st_size < 300


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "files/0001/link"])
def test_a_document_names_no_file_of_the_host(tmp_path: Path, name: str) -> None:
    """A container wrote the document. It cannot make the host hand its own files to the next one."""
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "outputs"
    (folder / "files/0001").mkdir(parents=True)
    (folder / "files/0001/link").symlink_to("/etc/passwd")
    hostile = Encoded({"$": "path", "file": name, "text": "x"}, folder)

    with pytest.raises(TaskError, match="cannot be passed on") as caught:
        write_values({"value": hostile}, tmp_path / "inputs", of="t")

    assert "is not its own" in caught.value.why[0]
    assert not [path for path in (tmp_path / "inputs").rglob("*") if path.is_file()]


def test_a_part_is_taken_without_decoding(tmp_path: Path) -> None:
    """Of tuples, NamedTuples, dataclasses, lists and dicts, and of one in another."""
    value = (Point(1, 2.5), Box(Point(3, 4.0), {"a": [7, 8]}), {1: "one", "1": "text"})
    write_values({"value": value}, tmp_path, of="t")
    encoded = read_encoded(tmp_path)["value"]

    assert encoded.select((0, "y")).document == 2.5
    assert encoded.select((0, 0)).document == 1
    assert encoded.select((1, "tags", "a", 1)).document == 8
    assert [encoded.select((2, key)).document for key in (1, "1")] == ["one", "text"]
    with pytest.raises(LookupError):
        encoded.select((0, "z"))
    with pytest.raises(LookupError):
        encoded.select((5,))


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2, "values": {}}', '{"format": 1, "values": []}'])
def test_a_folder_without_values_is_refused(tmp_path: Path, text: str) -> None:
    """Whatever a container left there."""
    (tmp_path / "values.json").write_text(text)

    with pytest.raises(ValueError, match=r"values|format"):
        read_encoded(tmp_path)
