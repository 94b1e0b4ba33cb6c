"""In which order a day's spooled rows stand, from their times and ids alone: some ten bytes a row are in
memory, and nothing of their texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalkit.ingest.spool import Batches

__all__ = ["may_stand", "places_of", "seen_twice"]

#: The value of each hexadecimal digit by its character.
_DIGITS = np.zeros(256, np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_ID_DIGITS = 32


def seen_twice(batches: Batches) -> NDArray[np.int64]:
    """The ordinals of rows whose id others have too, and hardly any of other rows.

    Ids are hashes: half of one tells it apart. Whether two rows with the same half are the same call
    is not decided here.
    """
    ids = _column(
        [_halves(table["interaction_id"]) for table in batches.tables(["interaction_id"])]
    )
    order = np.sort(ids)
    again = np.unique(order[1:][order[1:] == order[:-1]])
    del order
    if not len(again):
        return np.empty(0, np.int64)
    ordinals = _column([_int64(table["ordinal"]) for table in batches.tables(["ordinal"])])
    return ordinals[np.isin(ids, again)]


def may_stand(stored: Iterable[pa.Table], told: Batches) -> pa.Table:
    """Those of stored rows that may stand beside what was read: it has none of their id, or only such as
    were changed earlier. Of most rows neither is so, and what is left is looked at closely.

    Args:
        stored: columns of `interactions` with `interaction_id` and `updated_at`, some rows at a time;
            at least one table.
        told: what was read.
    """
    halves, others, times = [], [], []
    for table in told.tables(["interaction_id", "updated_at"]):
        halves.append(_halves(table["interaction_id"]))
        others.append(_halves(table["interaction_id"], second=True))
        times.append(_changed(table))
    ids, rests, changed = _column(halves), _column(others), _column(times)
    order = np.lexsort((changed, ids))
    ids, rests, changed = ids[order], rests[order], changed[order]
    found = []
    for table in stored:
        mine = _halves(table["interaction_id"])
        if len(ids):
            # The last of equal ids was changed last. Another id with the same half is told by the rest.
            at = np.maximum(np.searchsorted(ids, mine, side="right") - 1, 0)
            told_ = (ids[at] == mine) & (rests[at] == _halves(table["interaction_id"], second=True))
            table = table.filter(pa.array(~told_ | (_changed(table) > changed[at])))
        found.append(table)
    return pa.concat_tables(found)


def _changed(table: pa.Table) -> NDArray[np.int64]:
    """When each row was changed, before all times where that is not known."""
    times = table["updated_at"].cast(pa.int64())
    return np.asarray(times.fill_null(np.iinfo(np.int64).min).to_numpy())


def places_of(batches: Batches, dropped: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each row where they are ordered by `started_at` and `interaction_id`.

    Args:
        batches: spooled interactions.
        dropped: int64 [n], the ordinals of rows that do not stand, ascending.

    Returns:
        int64 [rows], in the order of `batches`; -1 of rows that do not stand.
    """
    times, ids, stands = [], [], []
    for table in batches.tables(["ordinal", "started_at", "interaction_id"]):
        times.append(_int64(table["started_at"]))
        ids.append(_halves(table["interaction_id"]))
        if len(dropped):
            ordinals = _int64(table["ordinal"])
            at = np.minimum(np.searchsorted(dropped, ordinals), len(dropped) - 1)
            stands.append(dropped[at] != ordinals)
    order = np.lexsort((_column(ids), _column(times)))
    if stands:
        order = order[np.concatenate(stands)[order]]
    places = np.full(sum(map(len, times)), -1, np.int64)
    places[order] = np.arange(len(order))
    return places


def _halves(ids: pa.ChunkedArray, *, second: bool = False) -> NDArray[np.uint64]:
    """The first 16 hexadecimal digits of ids, which are in the order of the ids; or the others."""
    half = slice(_ID_DIGITS // 2, None) if second else slice(None, _ID_DIGITS // 2)
    array = ids.combine_chunks()
    start = array.offset * _ID_DIGITS
    data = np.frombuffer(array.buffers()[2], np.uint8)[start : start + len(array) * _ID_DIGITS]
    digits = _DIGITS[data.reshape(-1, _ID_DIGITS)[:, half]]
    packed = digits[:, ::2] << 4 | digits[:, 1::2]
    return np.ascontiguousarray(packed).view(">u8").ravel().astype(np.uint64)


def _int64(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.cast(pa.int64()).to_numpy())


def _column(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
