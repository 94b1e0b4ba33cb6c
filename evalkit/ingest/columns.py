"""Many canonical records at once as Arrow columns, strictly typed as `sources/jsonl.py` types one.
Whatever it would have to look at twice it refuses: then each record is looked at alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.ingest.rows import NOT_NEGATIVE, pairs_of
from evalkit.ingest.times import time_of
from evalkit.schema import INTERACTIONS, TIME

__all__ = ["UnfitError", "columns_of", "times_of"]

_NOTHING = type(None)
#: A time that Arrow and Python read alike.
_PLAIN_TIME = (
    r"^\d{4}-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(?:\d{3}|\d{6}))?(?:Z|\+00:00)$"
)
#: As `times.time_of` has them.
_FIRST, _LAST = (pa.scalar(time_of(text), TIME) for text in ("2000-01-01", "2199-12-31T23:59:59Z"))


class UnfitError(ValueError):
    """Some value is not plainly of its column's type."""


def columns_of(records: Sequence[dict[str, Any]], ignored: frozenset[str]) -> dict[str, pa.Array]:
    """The columns of `interactions` that any record names, each as long as `records`.

    Args:
        records: objects as JSON gives them, none with keys of its own.
        ignored: keys that are evalkit's.

    Raises:
        UnfitError: a value is of another type, a list holds null, a count is negative, a time is written
            in a way of its own, or a key is no column.
    """
    schema = INTERACTIONS.schema
    found = {}
    for name, values in _by_key(records).items():
        if name in ignored:
            continue
        place = schema.get_field_index(name)
        if place < 0:
            raise UnfitError(name)
        array = _column(values, schema.field(place).type)
        if name in NOT_NEGATIVE and pc.any(pc.less(array, 0)).as_py():
            raise UnfitError(name)
        found[name] = array
    return found


def _by_key(records: Sequence[dict[str, Any]]) -> dict[str, Sequence[Any]]:
    """The values of each key that any record has; None where one has it not."""
    shapes = set(map(tuple, records))
    if len(shapes) == 1:  # written by one program: no key has to be looked for
        return dict(zip(shapes.pop(), zip(*map(dict.values, records), strict=True), strict=True))
    keys = dict.fromkeys(chain.from_iterable(shapes))
    return {key: [record.get(key) for record in records] for key in keys}


def _column(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    kinds = set(map(type, values))
    kinds.discard(_NOTHING)
    if not kinds:
        return pa.nulls(len(values), type_)
    kind, make = _MAKERS[type_.id]
    if not kinds <= kind:
        raise UnfitError(str(type_))
    try:
        return make(values, type_)
    except (pa.ArrowException, OverflowError) as error:
        raise UnfitError(str(type_)) from error


def _plain(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    return pa.array(values, type_)


def _times(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    return times_of(pa.array(values, pa.string()), type_)


def times_of(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    """Times from texts that are written in the usual way.

    Raises:
        UnfitError: one is written in another, or lies far away.
    """
    if not pc.all(pc.match_substring_regex(texts, _PLAIN_TIME)).as_py():
        raise UnfitError("time")
    try:
        times = texts.cast(type_)
    except pa.ArrowInvalid as error:  # the 31st of a short month
        raise UnfitError("time") from error
    if not pc.all(pc.and_(pc.greater_equal(times, _FIRST), pc.less(times, _LAST))).as_py():
        raise UnfitError("time")
    return times


def _lists(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    mask = _mask(values)
    full = values if mask is None else [value or () for value in values]
    flat = list(chain.from_iterable(full))
    if _NOTHING in set(map(type, flat)):
        raise UnfitError("null in a list")
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(list(map(len, full)), out=offsets[1:])
    items = _column(flat, type_.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=type_, mask=mask)


def _structs(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    mask = _mask(values)
    fields = list(type_)
    by_key = _by_key(values if mask is None else [value or {} for value in values])
    columns = [
        _column(by_key[field.name], field.type)
        if field.name in by_key
        else pa.nulls(len(values), field.type)
        for field in fields
    ]
    return pa.StructArray.from_arrays(columns, fields=fields, mask=mask)


def _maps(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    inner = set(map(type, chain.from_iterable(value.values() for value in values if value)))
    if not inner <= {str, _NOTHING}:
        raise UnfitError("attributes")
    return pa.array([pairs_of(value) for value in values], type_)


def _mask(values: Sequence[Any]) -> pa.Array | None:
    """Which values are missing; None where none is."""
    if _NOTHING not in set(map(type, values)):
        return None
    return pa.array([value is None for value in values])


_Maker = Callable[[Sequence[Any], pa.DataType], pa.Array]
_MAKERS: dict[int, tuple[set[type], _Maker]] = {
    pa.string().id: ({str}, _plain),
    pa.int64().id: ({int}, _plain),
    pa.int32().id: ({int}, _plain),
    pa.float64().id: ({int, float}, _plain),
    pa.bool_().id: ({bool}, _plain),
    TIME.id: ({str}, _times),
    pa.list_(pa.string()).id: ({list}, _lists),
    pa.struct([]).id: ({dict}, _structs),
    pa.map_(pa.string(), pa.string()).id: ({dict}, _maps),
}
