"""Canonical JSON lines to Arrow columns without a Python object in between: Arrow's own reader, held to
what `columns.py` asks of records. Whatever may be read otherwise by the two it refuses."""

from __future__ import annotations

import re

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import json

from evalkit.ingest.columns import UnfitError, times_of
from evalkit.ingest.rows import NOT_NEGATIVE
from evalkit.schema import INTERACTIONS
from evalkit.text.lines import line_breaks

__all__ = ["columns_of_lines"]

_RETURN, _OPEN, _CLOSE = b"\r{}"
#: What one thread reads at once.
_PART = 1 * 1024 * 1024
#: In so many lines of a block its columns are looked up.
_LOOKS = 16
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def columns_of_lines(data: bytes, ignored: frozenset[str]) -> tuple[dict[str, pa.Array], int]:
    """The columns of `interactions` that lines of JSON hold, and the number of lines.

    Args:
        data: lines with an object each, none of them blank.
        ignored: keys that are evalkit's.

    Raises:
        UnfitError: some line is no object, a value is of another type, a list holds null, a count is
            negative, a time is written in a way of its own, or a key is no column; attributes are
            read elsewhere.
    """
    data = data.strip()
    lengths = _lengths(data)
    count = len(lengths)
    table = _read(data, longest=int(lengths.max()))
    if table.num_rows != count:
        raise UnfitError("lines and objects")
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if name in ignored or array.null_count == count:
            continue
        array = _fitted(array, INTERACTIONS.schema.field(name).type)
        if name in NOT_NEGATIVE and pc.any(pc.less(array, 0)).as_py():
            raise UnfitError(name)
        found[name] = array
    return found, count


def _lengths(data: bytes) -> NDArray[np.int64]:
    """The length of each line. Each begins and ends with a brace: then, where all can be read and they are
    as many as objects, no object begins on one line and ends on another, for no value follows another
    without a comma, and no text has a line break in it."""
    if data[:1] != b"{" or data[-1:] != b"}" or b"\0" in data:
        raise UnfitError("no objects")
    seen = np.frombuffer(data, np.uint8)
    breaks = line_breaks(data)
    before = seen[breaks - 1]
    before = np.where(before == _RETURN, seen[breaks - 2], before)
    if not ((before == _CLOSE) & (seen[breaks + 1] == _OPEN)).all():
        raise UnfitError("no object on a line")
    return np.diff(breaks, prepend=-1, append=len(data))


def _read(data: bytes, longest: int) -> pa.Table:
    # Arrow reads parts of the lines in as many threads as there are processors.
    read = json.ReadOptions(block_size=max(_PART, longest + 1))
    try:
        if not data.isascii():
            data.decode()
        parse = _options(data)
        table = json.read_json(pa.BufferReader(data), read_options=read, parse_options=parse)
        if b"\\" in data and _SURROGATE.search(data):
            table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise UnfitError("lines") from error
    return table


def _fitted(array: pa.Array, type_: pa.DataType) -> pa.Array:
    if array.null_count == len(array):
        return pa.nulls(len(array), type_)
    if pa.types.is_timestamp(type_):
        return times_of(array, type_)
    if pa.types.is_floating(type_):
        if not pc.all(pc.is_finite(array)).as_py():
            raise UnfitError("not a number")
    elif pa.types.is_list(type_):
        items = array.flatten()
        if items.null_count:
            raise UnfitError("null in a list")
        fitted = _fitted(items, type_.value_type)
        if array.type == type_ and fitted is items:
            return array
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(offsets, fitted, type=type_, mask=mask)
    elif pa.types.is_struct(type_):
        before = array.flatten()
        children = [_fitted(child, field.type) for child, field in zip(before, type_, strict=True)]
        if array.type == type_ and all(
            new is old for new, old in zip(children, before, strict=True)
        ):
            return array
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(children, fields=list(type_), mask=mask)
    return array


def _as_read(type_: pa.DataType) -> pa.DataType:
    """Times are read as texts, for Arrow takes more ways to write one; objects of any keys not at all."""
    if pa.types.is_map(type_):
        return pa.null()
    if pa.types.is_timestamp(type_):
        return pa.string()
    if pa.types.is_list(type_):
        return pa.list_(_as_read(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, _as_read(field.type)) for field in type_])
    return type_


_COLUMNS = {
    column.name: pa.field(column.name, _as_read(column.type)) for column in INTERACTIONS.columns
}


def _options(data: bytes) -> json.ParseOptions:
    """The columns that some lines have: one that no line has costs as much as one that all have. In the
    order of the lines: so each next one is found without a search."""
    names: dict[str, None] = {}
    for place in range(_LOOKS):
        start = data.rfind(b"\n", 0, len(data) * place // _LOOKS) + 1
        end = data.find(b"\n", start)
        names.update(dict.fromkeys(orjson.loads(data[start : end if end >= 0 else None])))
    return json.ParseOptions(
        explicit_schema=pa.schema([_COLUMNS[name] for name in names if name in _COLUMNS]),
        unexpected_field_behavior="error",
    )
