"""Arrays and tables survive a folder, and are read by packages of other versions."""

import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from imagewright.flow.show import show
from imagewright.flow.values import read_encoded, read_values, write_values

# The tool itself never needs them, so neither do its tests' types.
numpy: Any = pytest.importorskip("numpy")
pandas: Any = pytest.importorskip("pandas")
testing: Any = import_module("pandas.testing")


def through(folder: Path, value: Any) -> tuple[Any, str]:
    """The value after a folder, and the kind of its document."""
    write_values({"value": value}, folder, of="t")
    document = read_encoded(folder)["value"].document
    return read_values(folder, of="t")["value"], document["$"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: numpy.arange(6).reshape(2, 3),
        lambda: numpy.asfortranarray(numpy.ones((2, 3), dtype="float32")),
        lambda: numpy.zeros((0, 3), dtype=bool),
        lambda: numpy.array(5),
        lambda: numpy.array(["a", "long text"]),
        lambda: numpy.array([b"a"]),
        lambda: numpy.array(["2026-01-31", "NaT"], dtype="datetime64[D]"),
        lambda: numpy.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        lambda: numpy.array([1 + 2j, numpy.nan]),
        lambda: numpy.array([1], dtype=">i8"),
    ],
)
def test_an_array_survives(tmp_path: Path, make: Any) -> None:
    """Shape, dtype and every value; never by pickle."""
    value = make()

    read, kind = through(tmp_path, value)

    assert (kind, read.dtype, read.shape) == ("array", value.dtype, value.shape)
    numpy.testing.assert_array_equal(read, value)


def test_a_scalar_is_one_again(tmp_path: Path) -> None:
    """Of numpy's own type."""
    value, kind = through(tmp_path, numpy.float32(1.5))

    assert (type(value), value, kind) == (numpy.float32, 1.5, "scalar")


def test_arrays_of_objects_are_pickled(tmp_path: Path) -> None:
    """An .npy file would do the same, and not say so."""
    value, kind = through(tmp_path, numpy.array([1, "a", None], dtype=object))

    assert (value.tolist(), kind) == ([1, "a", None], "pickle")


def frame() -> Any:
    return pandas.DataFrame(
        {
            "int": numpy.array([1, 2, 3], dtype="int16"),
            "float": [1.5, numpy.nan, 3.0],
            "bool": [True, False, True],
            "text": ["a", None, "c"],
            "objects": pandas.Series(["x", "y", "z"], dtype=object),
            "mixed": pandas.Series(["x", 1, None], dtype=object),
            "time": pandas.to_datetime(
                ["2026-01-01 00:00:00.5", "2026-07-02 10:00:00.123456789", None], format="%Y-%m-%d %H:%M:%S.%f"
            ),
            "zoned": pandas.to_datetime(["2026-01-01", "2026-07-02", None]).tz_localize("Europe/Berlin"),
            "utc": pandas.to_datetime(["2026-01-01", "2026-07-02", None], utc=True),
            "span": pandas.to_timedelta([1, 2, None], unit="s"),
            "category": pandas.Categorical(["u", None, "v"], categories=["v", "u"], ordered=True),
            "Int64": pandas.array([1, None, 3], dtype="Int64"),
            "UInt8": pandas.array([1, None, 3], dtype="UInt8"),
            "Float32": pandas.array([1, None, 3.5], dtype="Float32"),
            "boolean": pandas.array([True, None, False], dtype="boolean"),
            "string": pandas.array(["a", None, "b"], dtype="string"),
        }
    )


@pytest.mark.parametrize(
    "make",
    [
        frame,
        lambda: frame().set_index(["text", "int"]),
        lambda: frame().set_index("category"),
        lambda: frame().set_index("zoned"),
        lambda: frame().set_index("Int64"),
        lambda: frame().iloc[::2],
        lambda: frame().iloc[:0],
        lambda: pandas.DataFrame(),
        lambda: pandas.DataFrame(index=["a", "b"]),
        lambda: pandas.DataFrame(columns=["a", "b"]),
        lambda: pandas.DataFrame([[1, 2.5]], columns=["same", "same"]),
        lambda: pandas.DataFrame(
            [[1, 2]], columns=pandas.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"])
        ),
        lambda: pandas.DataFrame({0: [1], "one": [2]}),
        lambda: pandas.DataFrame({"a": [1, 2]}, index=pandas.date_range("2026-01-01", periods=2, freq="D", name="day")),
        lambda: pandas.DataFrame({"a": [1, 2]}, index=pandas.Index([True, False])),
    ],
)
def test_a_table_survives(tmp_path: Path, make: Any) -> None:
    """Columns, dtypes, names, index, missing values; never by pickle."""
    value = make()

    read, kind = through(tmp_path, value)

    assert kind == "frame"
    testing.assert_frame_equal(read, value)


def test_a_series_an_index_and_single_values_survive(tmp_path: Path) -> None:
    """What a table is made of can be passed alone."""
    series = pandas.Series([1, 2], index=pandas.Index(["a", 1], dtype=object), name=("n", 1))
    index = pandas.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None])
    stamp = pandas.Timestamp("2026-01-31 10:00", tz="Europe/Berlin")

    testing.assert_series_equal(through(tmp_path / "a", series)[0], series)
    testing.assert_index_equal(through(tmp_path / "b", index)[0], index)
    assert through(tmp_path / "c", stamp) == (stamp, "timestamp")
    assert through(tmp_path / "d", pandas.NaT)[0] is pandas.NaT


def test_attrs_survive(tmp_path: Path) -> None:
    """Notes on a table are part of it."""
    value = frame()
    value.attrs["source"] = {"day": datetime.date(2026, 1, 31)}

    assert through(tmp_path, value)[0].attrs == value.attrs


def test_a_table_with_a_column_of_another_kind_is_pickled(tmp_path: Path) -> None:
    """And says which."""
    value = pandas.DataFrame({"p": pandas.period_range("2026", periods=2, freq="M")})

    write_values({"value": value}, tmp_path, of="t")

    document = read_encoded(tmp_path)["value"].document
    assert document["reason"] == "a column of dtype period[M] has no plain form"
    testing.assert_frame_equal(read_values(tmp_path, of="t")["value"], value)


def test_a_host_shows_a_table_without_pandas(tmp_path: Path) -> None:
    """By the text that the task recorded, and passes its files on."""
    write_values({"value": frame()[["int"]]}, tmp_path / "a", of="t")
    write_values({"next": [read_encoded(tmp_path / "a")["value"]]}, tmp_path / "b", of="t")

    assert show(read_encoded(tmp_path / "a")["value"]) == repr(frame()[["int"]])
    testing.assert_frame_equal(read_values(tmp_path / "b", of="t")["next"][0], frame()[["int"]])
