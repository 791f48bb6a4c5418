"""numpy arrays and pandas tables as documents that any version of both reads, on any Python.

Arrays are ``.npy`` files without pickle. A table is its columns and its index, each an array, a list, or a few of
these: no parquet (an image need not hold pyarrow) and no pickle (pandas' own do not load across major versions).
A table with a column of another kind raises `NoPlainForm`, and is pickled.

Imported when such a value is at hand, so numpy and pandas are there or it is right to fail for want of them.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module  # and no import statement: neither has to be there when types are checked
from typing import TYPE_CHECKING, Any

from imagewright.flow.forms import NoPlainForm, text_of

if TYPE_CHECKING:
    from imagewright.flow.forms import Decodes, Encodes

_NUMBERS = "biufcmM"  # numpy's kinds that an .npy file holds in full: bool, numbers, time spans, points in time

_MASKED = {"boolean", "Float32", "Float64", *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))}


def encode(writer: Encodes, value: Any) -> dict[str, Any]:
    """The document of a value whose type is numpy's or pandas'.

    Raises:
        NoPlainForm: It has none.
    """
    if type(value).__module__.partition(".")[0] == "numpy":
        return _encode_numpy(writer, value)
    pandas = import_module("pandas")

    kind = type(value)
    if kind is pandas.DataFrame:
        document: dict[str, Any] = {
            "$": "frame",
            "columns": [_encode_column(writer, value.iloc[:, i]) for i in range(value.shape[1])],
            "names": _encode_index(writer, value.columns),
            "index": _encode_index(writer, value.index),
        }
    elif kind is pandas.Series:
        document = {
            "$": "series",
            "column": _encode_column(writer, value),
            "name": writer.encode(value.name),
            "index": _encode_index(writer, value.index),
        }
    elif isinstance(value, pandas.Index):
        document = {"$": "pandas_index", "index": _encode_index(writer, value)}
    elif kind is pandas.Timestamp:
        # Nanoseconds since 1970 are what every version reads; a NaT is of another type.
        return {"$": "timestamp", "ns": value.value, "zone": _zone(value.tz), "text": text_of(value)}
    elif value is pandas.NaT or value is pandas.NA:
        return {"$": "missing", "name": "NaT" if value is pandas.NaT else "NA", "text": text_of(value)}
    else:
        raise NoPlainForm(f"{kind.__module__}.{kind.__qualname__} has no plain form")
    attrs = getattr(value, "attrs", None)
    return {**document, "attrs": writer.encode(dict(attrs)) if attrs else None, "text": text_of(value)}


def decode(reader: Decodes, document: dict[str, Any]) -> Any:
    """The value of a document that `encode` made. Raises ImportError where numpy or pandas is absent."""
    kind = document["$"]
    if kind in ("array", "scalar"):
        numpy = import_module("numpy")

        array = numpy.load(reader.file(document), allow_pickle=False)
        return array if kind == "array" else array[()]
    pandas = import_module("pandas")

    if kind == "timestamp":
        stamp = pandas.Timestamp(document["ns"], unit="ns", tz="UTC")
        zone = document["zone"]
        return stamp.tz_localize(None) if zone is None else stamp.tz_convert(zone)
    if kind == "missing":
        return getattr(pandas, document["name"])
    if kind == "pandas_index":
        return _decode_index(reader, document["index"])
    index = _decode_index(reader, document["index"])
    value: Any
    if kind == "frame":
        columns = [_held(_decode_column(reader, column)) for column in document["columns"]]
        value = pandas.DataFrame(dict(enumerate(columns)), index=range(len(index)))
        value.columns = _decode_index(reader, document["names"])
        value.index = index
    elif kind == "series":
        value = _held(_decode_column(reader, document["column"])).rename(reader.decode(document["name"]))
        value.index = index
    else:
        raise ValueError(f"a value of the unknown kind {kind!r}: it was written by a newer imagewright")
    if document["attrs"]:
        value.attrs = reader.decode(document["attrs"])
    return value


def _encode_numpy(writer: Encodes, value: Any) -> dict[str, Any]:
    numpy = import_module("numpy")

    is_array = type(value) is numpy.ndarray
    if not is_array and not isinstance(value, numpy.generic):
        raise NoPlainForm(f"{type(value).__module__}.{type(value).__qualname__} has no plain form")
    if value.dtype.hasobject:
        raise NoPlainForm("the array holds Python objects (dtype object)")
    if value.dtype.kind == "V" and value.dtype.names is None and value.dtype.type is not numpy.void:
        raise NoPlainForm(f"its dtype {value.dtype} is not numpy's own")
    relative, path = writer.new_file("array.npy")
    numpy.save(path, value, allow_pickle=False)
    return {"$": "array" if is_array else "scalar", "file": relative, "text": text_of(value)}


def _encode_column(writer: Encodes, values: Any) -> dict[str, Any]:
    """One column: a Series or an Index (not a MultiIndex)."""
    pandas = import_module("pandas")

    dtype = values.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        categorical = values.array
        return {
            "how": "category",
            "codes": writer.encode(categorical.codes),
            "categories": _encode_index(writer, categorical.categories),
            "ordered": bool(categorical.ordered),
        }
    if isinstance(dtype, pandas.DatetimeTZDtype):
        utc = values.dt if hasattr(values, "dt") else values
        naive = utc.tz_convert("UTC").tz_localize(None) if utc is values else utc.tz_convert("UTC").dt.tz_localize(None)
        return {"how": "zoned", "values": writer.encode(naive.to_numpy()), "zone": _zone(dtype.tz)}
    if getattr(dtype, "kind", "") in _NUMBERS and not pandas.api.types.is_extension_array_dtype(dtype):
        return {"how": "array", "values": writer.encode(values.to_numpy())}
    if getattr(dtype, "kind", "") == "O" and not pandas.api.types.is_extension_array_dtype(dtype):
        return {"how": "list", "dtype": "object", "values": writer.encode(values.tolist())}
    if isinstance(dtype, pandas.StringDtype):
        # As an object array first: a missing one is then None, whichever of NaN and NA this dtype uses.
        texts = [None if gone else text for gone, text in zip(values.isna().tolist(), values.tolist())]
        return {"how": "list", "dtype": str(dtype), "values": texts}
    if str(dtype) in _MASKED:
        gone = values.isna()
        filled = values.array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        mask = gone if isinstance(gone, type(filled)) else gone.to_numpy()
        return {"how": "masked", "dtype": str(dtype), "values": writer.encode(filled), "mask": writer.encode(mask)}
    raise NoPlainForm(f"a column of dtype {dtype} has no plain form")


def _decode_column(reader: Decodes, column: dict[str, Any]) -> Any:
    """What pandas makes a column of: an array."""
    numpy, pandas = import_module("numpy"), import_module("pandas")

    how = column["how"]
    if how == "category":
        codes = numpy.asarray(reader.decode(column["codes"]))
        return pandas.Categorical.from_codes(
            codes, categories=_decode_index(reader, column["categories"]), ordered=column["ordered"]
        )
    if how == "zoned":
        return pandas.DatetimeIndex(reader.decode(column["values"])).tz_localize("UTC").tz_convert(column["zone"]).array
    if how == "array":
        return reader.decode(column["values"])
    if how == "masked":
        values = pandas.Series(reader.decode(column["values"])).astype(column["dtype"])
        values[reader.decode(column["mask"])] = pandas.NA
        return values.array
    values = reader.decode(column["values"])
    if column["dtype"] != "object":
        try:
            made = pandas.Series(values, dtype=column["dtype"]).array
        except (TypeError, ValueError, ImportError):
            pass  # a string dtype that this pandas does not have, or not without pyarrow: texts are objects there
        else:
            if isinstance(made.dtype, pandas.StringDtype):
                return made
        values = [numpy.nan if text is None else text for text in values]
    objects = numpy.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def _held(values: Any) -> Any:
    """The column as a Series of its own dtype."""
    return import_module("pandas").Series(values, dtype=_dtype(values))


def _dtype(values: Any) -> Any:
    """object for an array of objects, for which pandas would guess another; None for all that speaks for itself."""
    return object if isinstance(values, import_module("numpy").ndarray) and values.dtype.kind == "O" else None


def _encode_index(writer: Encodes, index: Any) -> dict[str, Any]:
    pandas = import_module("pandas")

    names = writer.encode(list(index.names))
    if isinstance(index, pandas.MultiIndex):
        levels = [_encode_column(writer, index.get_level_values(level)) for level in range(index.nlevels)]
        return {"kind": "multi", "names": names, "levels": levels}
    if isinstance(index, pandas.RangeIndex):
        return {"kind": "range", "names": names, "parts": [index.start, index.stop, index.step]}
    freq = getattr(index, "freqstr", None) if isinstance(index, (pandas.DatetimeIndex, pandas.TimedeltaIndex)) else None
    return {"kind": "index", "names": names, "values": _encode_column(writer, index), "freq": freq}


def _decode_index(reader: Decodes, document: dict[str, Any]) -> Any:
    pandas = import_module("pandas")

    names = reader.decode(document["names"])
    kind = document["kind"]
    if kind == "multi":
        return pandas.MultiIndex.from_arrays(
            [_decode_column(reader, level) for level in document["levels"]], names=names
        )
    if kind == "range":
        return pandas.RangeIndex(*document["parts"], name=names[0])
    values = _decode_column(reader, document["values"])
    index = pandas.Index(values, name=names[0], dtype=_dtype(values))
    if document["freq"]:
        with suppress(ValueError):  # a name for it that this pandas does not know; the values are what counts
            index.freq = document["freq"]
    return index


def _zone(zone: Any) -> Any:
    """The name of a time zone that every pandas reads back as the same zone."""
    if zone is None:
        return None
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    if isinstance(name, str) and (name == "UTC" or ("/" in name and " " not in name)):
        return name
    raise NoPlainForm(f"its time zone {zone} is known by no name")
