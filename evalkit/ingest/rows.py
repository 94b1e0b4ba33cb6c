"""Rows of a source as an Arrow table with exactly the columns of `interactions`. No files here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.errors import ExtensionError
from evalkit.ingest.contract import Row
from evalkit.ingest.fields import MAX_ATTRIBUTES, MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS, text_of
from evalkit.ingest.times import time_of
from evalkit.schema import INTERACTIONS

__all__ = ["NOT_NEGATIVE", "days_of", "interaction_id", "pairs_of", "table_of"]

_DERIVED = frozenset({"day", "interaction_id", "source", "attributes"})
#: Counts, money and durations: below zero they are wrong, and a wrong value is a missing one.
NOT_NEGATIVE = frozenset(
    {
        "tokens_input",
        "tokens_cached",
        "tokens_output",
        "tokens_reasoning",
        "cost_logged_usd",
        "latency_ms",
        "ttft_ms",
    }
)
#: The columns that hold prose; all other text columns hold names and ids.
_TEXTS = frozenset({"system_prompt", "query", "response", "reference", "corrected_response"})
_NAME_CHARACTERS = 500
_ID_DIGITS = 32
#: The two characters of each byte.
_HEXADECIMAL = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)
_SPACE = ord(" ")
_BLANK = r"\A\s*\z"
_BAD_CHARACTERS = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
_INT32, _INT64 = (range(-(2**bits), 2**bits) for bits in (31, 63))
#: Every time zone's offset has been a multiple of this since 1972.
_QUARTER_US = 15 * 60 * 1_000_000
_ARROW_ERRORS = (
    pa.ArrowException,
    AttributeError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
)

#: Values that had no place in their column, by row and column: they end in the row's attributes.
_Notes = dict[int, dict[str, str]]


def interaction_id(source: str, source_id: str) -> str:
    """The stable id of a call: the first 32 hex digits of a hash over its source and its id there.

    >>> interaction_id("gateway", "chatcmpl-AbC123")
    'c13f1f862eb54075bae2cde6fd894c31'
    """
    text = f"{source}\x00{source_id}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def table_of(rows: Sequence[Row] | pa.Table, source: str, zone: ZoneInfo) -> pa.Table:
    """The rows as Arrow, in their order.

    Missing, blank and not-a-number become NULL; NUL characters and half surrogate pairs become
    U+FFFD. A value that does not fit its column, and a negative count or duration, becomes NULL and
    is kept as an attribute under the column's name.

    Args:
        rows: rows as dicts, or some columns of `interactions` whose values fit already.
        source: the source's name.
        zone: the time zone that decides on days.

    Raises:
        ExtensionError: a row has no `source_id` or no `started_at`: its source breaks the contract.
    """
    columns = _from_columns(rows) if isinstance(rows, pa.Table) else _from_rows(rows)
    count = len(rows)
    for name in ("source_id", "started_at"):
        if name not in columns or columns[name].null_count:
            raise ExtensionError(
                f"source {source!r}: a row without {name}. Its format must give each row one."
            )
    columns["day"] = days_of(columns["started_at"], zone)
    # A call is told apart by its whole id; names are stored short, for they are grouped by.
    columns["interaction_id"] = _ids(source, columns["source_id"])
    columns["source"] = pa.array([source], pa.string()).take(pa.array(np.zeros(count, np.int8)))
    for column in INTERACTIONS.columns:
        if column.name not in columns:
            columns[column.name] = pa.nulls(count, column.type)
        elif column.type == pa.string() and column.name not in _TEXTS:
            columns[column.name] = _cut(columns[column.name])
    return pa.Table.from_arrays(
        [columns[column.name] for column in INTERACTIONS.columns], schema=INTERACTIONS.schema
    )


def _from_rows(rows: Sequence[Row]) -> dict[str, pa.Array]:
    present: set[str] = set().union(*rows)
    notes: _Notes = {}
    columns = {
        column.name: _array([row.get(column.name) for row in rows], column.type, column.name, notes)
        for column in INTERACTIONS.columns
        if column.name in present and column.name not in _DERIVED
    }
    if notes or "attributes" in present:
        attributes = [pairs_of(row.get("attributes"), notes.get(i)) for i, row in enumerate(rows)]
        columns["attributes"] = pa.array(attributes, INTERACTIONS.schema.field("attributes").type)
    return columns


def _from_columns(table: pa.Table) -> dict[str, pa.Array]:
    return {
        name: _clean(table.column(name).combine_chunks())
        for name in table.column_names
        if name not in _DERIVED or name == "attributes"
    }


def _ids(source: str, source_ids: pa.Array) -> pa.Array:
    """`interaction_id` of each; what follows from the hashes is done for all of them at once."""
    begin, hashed = f"{source}\x00".encode("utf-8", "replace"), hashlib.sha256
    texts = source_ids.cast(pa.binary()).to_pylist()
    digests = b"".join([hashed(begin + text).digest() for text in texts])
    octets = np.frombuffer(digests, np.uint8).reshape(len(texts), -1)[:, : _ID_DIGITS // 2]
    offsets = np.arange(len(texts) + 1, dtype=np.int32) * np.int32(_ID_DIGITS)
    return pa.StringArray.from_buffers(
        len(texts), pa.py_buffer(offsets), pa.py_buffer(_HEXADECIMAL[octets])
    )


def days_of(times: pa.Array, zone: ZoneInfo) -> pa.Array:
    """The calendar day of each instant in a time zone, date32."""
    quarters = times.cast(pa.int64()).to_numpy(zero_copy_only=False) // _QUARTER_US
    distinct, place = np.unique(quarters, return_inverse=True)
    days = [
        datetime.fromtimestamp(int(quarter) * _QUARTER_US // 1_000_000, UTC).astimezone(zone).date()
        for quarter in distinct
    ]
    return pa.array(days, pa.date32()).take(pa.array(place))


# ── one column
# ───────────────────────────────────────────────────────────────────────────────────────


def _array(values: list[Any], type_: pa.DataType, name: str, notes: _Notes) -> pa.Array:
    if name == "contexts":
        values = [_with_pairs(chunks) for chunks in values]
    try:
        if _would_be_misread(values, type_):
            raise TypeError(name)
        array = pa.array(values, type_)
    except _ARROW_ERRORS:  # a value that does not fit: look at each
        fitted = [_fitted(value, type_) for value in values]
        for row, (value, fit) in enumerate(zip(values, fitted, strict=True)):
            if fit is None and value is not None and value == value:
                _note(notes, row, name, value)
        array = pa.array(fitted, type_)
    array = _clean(array)
    if name in NOT_NEGATIVE:
        negative = pc.fill_null(pc.less(array, 0), False)
        if pc.any(negative).as_py():
            for row in np.flatnonzero(negative.to_numpy(zero_copy_only=False)).tolist():
                _note(notes, row, name, values[row])
            array = pc.if_else(negative, None, array)
    return array


def _would_be_misread(values: list[Any], type_: pa.DataType) -> bool:
    """Arrow cuts 1.5 to an integer and takes a number for microseconds without a word."""
    if pa.types.is_integer(type_):
        return any(type(value) is float for value in values)
    if pa.types.is_timestamp(type_):
        return any(type(value) is int for value in values)
    return False


def _cut(names: pa.Array) -> pa.Array:
    if not len(names) or np.diff(_offsets(names)).max() <= _NAME_CHARACTERS:
        return names
    return pc.utf8_slice_codeunits(names, 0, _NAME_CHARACTERS)


def _note(notes: _Notes, row: int, name: str, value: object) -> None:
    text = text_of(value) if not isinstance(value, int) else str(value)
    if text is not None:
        notes.setdefault(row, {})[name] = text


def _fitted(value: Any, type_: pa.DataType) -> Any:
    """The value as the type wants it, None where it cannot be."""
    if value is None:
        return None
    if pa.types.is_string(type_):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return _BAD_CHARACTERS.sub(_REPLACEMENT, value) if isinstance(value, str) else None
    if pa.types.is_timestamp(type_):
        return value if isinstance(value, datetime) else time_of(value)
    if pa.types.is_boolean(type_):
        return value if isinstance(value, bool) else None
    if pa.types.is_integer(type_):
        return _fitted_integer(value, _INT32 if type_ == pa.int32() else _INT64)
    if pa.types.is_floating(type_):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return _finite(value) if number else None
    if pa.types.is_map(type_):
        return pairs_of(dict(value) if isinstance(value, Mapping | list) else None)
    if pa.types.is_struct(type_):
        if not isinstance(value, Mapping):
            return None
        return {field.name: _fitted(value.get(field.name), field.type) for field in type_}
    if not isinstance(value, list | tuple):
        return None
    fitted = [_fitted(item, type_.value_type) for item in value]
    return [item for item in fitted if item is not None]


def _fitted_integer(value: Any, limits: range) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        return None
    return int(value) if value == int(value) and int(value) in limits else None


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number - number == 0 else None


def _clean(array: pa.Array) -> pa.Array:
    """The array with blank texts and not-a-numbers as NULL and without NUL characters, lists and
    structs too."""
    type_ = array.type
    if pa.types.is_string(type_):
        if array.null_count == len(array):
            return array
        if _may_hold_nul(array):
            array = pc.replace_substring(array, "\x00", _REPLACEMENT)
        if not _may_be_blank(array):
            return array
        blank = pc.match_substring_regex(array, _BLANK)
        return pc.if_else(blank, None, array) if pc.any(blank).as_py() else array
    if pa.types.is_floating(type_):
        finite = pc.is_finite(array)
        return array if pc.all(finite).as_py() is not False else pc.if_else(finite, array, None)
    if pa.types.is_map(type_):
        return array
    if pa.types.is_list(type_):
        before = array.values
        values = _clean(before)
        if values is before:
            return array
        return pa.ListArray.from_arrays(array.offsets, values, type=type_, mask=array.is_null())
    if pa.types.is_struct(type_):
        children = [array.field(i) for i in range(type_.num_fields)]
        after = [_clean(child) for child in children]
        if all(new is old for new, old in zip(after, children, strict=True)):
            return array
        return pa.StructArray.from_arrays(after, fields=list(type_), mask=array.is_null())
    return array


def _may_be_blank(array: pa.Array) -> bool:
    """Whether a text of an array is empty or begins with white space. Arrow would look at each of them for
    longer."""
    offsets = _offsets(array)
    full = offsets[1:] > offsets[:-1]
    # A null may have bytes, so to count the texts that have some says nothing.
    if not (full if array.null_count == 0 else full | array.is_null().to_numpy(False)).all():
        return True
    begins = np.frombuffer(array.buffers()[2], np.uint8)[offsets[:-1][full]]
    return bool((begins <= _SPACE).any())


def _offsets(array: pa.Array) -> NDArray[np.int32]:
    """Where each text of an array begins in its buffer, and where the last one ends."""
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]


def _may_hold_nul(array: pa.Array) -> bool:
    """Whether a NUL stands in the bytes of a text array, or beside them in its buffer."""
    data = array.buffers()[2]
    return data is not None and data.size > 0 and not np.frombuffer(data, np.uint8).all()


# ── attributes
# ───────────────────────────────────────────────────────────────────────────────────────


def _with_pairs(chunks: Any) -> Any:
    if not isinstance(chunks, list) or not any(
        isinstance(chunk, Mapping) and "attributes" in chunk for chunk in chunks
    ):
        return chunks
    return [
        {**chunk, "attributes": pairs_of(chunk.get("attributes"))}
        if isinstance(chunk, Mapping)
        else chunk
        for chunk in chunks
    ]


def pairs_of(
    attributes: Any, more: Mapping[str, str] | None = None
) -> list[tuple[str, str]] | None:
    """Attributes as a map's entries, sorted and bounded in number and length; None when there are
    none."""
    if not attributes and not more:
        return None
    found = dict(attributes) if isinstance(attributes, Mapping) else {}
    if more:
        found = {**found, **more}
    pairs = {}  # a dict: cut keys may meet, and a map with a key twice cannot be read
    for name in sorted(found, key=str)[:MAX_ATTRIBUTES]:
        text = found[name] if isinstance(found[name], str) else text_of(found[name])
        if text:
            key = _BAD_CHARACTERS.sub(_REPLACEMENT, str(name)[:MAX_KEY_CHARACTERS])
            pairs[key] = _BAD_CHARACTERS.sub(_REPLACEMENT, text[:MAX_VALUE_CHARACTERS])
    return list(pairs.items()) or None
