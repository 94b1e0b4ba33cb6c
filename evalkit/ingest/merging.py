"""Reads a day's spooled rows back in their final order, a few batches in memory at a time.

Which rows stand and in which order is decided on narrow columns (`day.py`); here the texts follow.
Logs are nearly in order as a rule: then each batch is read once. Where they are not, they are first
sorted in parts that fit into memory, which are written down again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalkit.ingest.spool import ORDINAL, Batches, Written, write_file

__all__ = ["Ordered", "values_at"]

#: How much may be held of batches whose rows stand between each other's, before they are sorted first.
_HELD_BYTES = 80 * 1024 * 1024
#: How large sorted parts are, and the pieces that they are read in: one of each part may be held.
_PART_BYTES = 24 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024

_Places = NDArray[np.int64]


class Ordered:
    """Spooled rows in their final order; may be gone through again.

    Args:
        batches: the rows, in the order of reading.
        places: int64 [rows], the place of each row in the result, none twice; below zero where a row
            does not stand.
        folder: an existing folder, for rows that have to be sorted in parts.
        name: begins the names of files there.
    """

    def __init__(self, batches: Batches, places: _Places, folder: Path, name: str) -> None:
        self._batches = batches
        self._places = places
        spans = _spans(batches, places)
        if _most_held(spans) > _HELD_BYTES:
            self._batches, self._places = _sorted_in_parts(batches, places, spans, folder, name)
            spans = _spans(self._batches, self._places)
        self._begins = np.array([*(span.begin for span in spans), len(self._places)], np.int64)
        self._lasts = np.array([span.last for span in spans], np.int64)
        stands = np.flatnonzero(self._places >= 0)
        self._rows = np.empty(len(stands), np.int64)
        self._rows[self._places[stands]] = stands

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """The rows that stand, in tables of `rows` rows but for the last one, without `ordinal`."""
        held: dict[int, pa.RecordBatch] = {}
        for first in range(0, len(self._rows), rows):
            yield self._table(first, first + rows, held)

    def _table(self, first: int, end: int, held: dict[int, pa.RecordBatch]) -> pa.Table:
        """The rows at some places. In `held` are the batches of which some were handed on and some not."""
        rows = self._rows[first:end]
        of = np.searchsorted(self._begins, rows, side="right") - 1
        wanted, which = np.unique(of, return_inverse=True)
        for place in wanted.tolist():
            if place not in held:
                batch = self._batches.batch(place)
                names = [name for name in batch.schema.names if name != ORDINAL.name]
                held[place] = batch.select(names)
        whole = pa.Table.from_batches([held[place] for place in wanted.tolist()])
        for place in wanted[self._lasts[wanted] < end].tolist():
            del held[place]
        sizes = np.diff(self._begins)[wanted]
        shifts = np.cumsum(sizes) - sizes - self._begins[wanted]
        return _taken(whole, rows + shifts[which])


@dataclass(frozen=True)
class _Span:
    """Where the rows of a batch are (`begin` to `end` in the order of reading), and where in the
    result. `size`: its bytes in memory, about."""

    batch: int
    begin: int
    end: int
    stands: bool
    first: int
    last: int
    size: int


def _spans(batches: Batches, places: _Places) -> list[_Span]:
    spans = []
    begin = 0
    for batch, (rows, size) in enumerate(batches.shapes()):
        mine = places[begin : begin + rows]
        mine = mine[mine >= 0]
        first, last = (int(mine.min()), int(mine.max())) if len(mine) else (-1, -1)
        spans.append(_Span(batch, begin, begin + rows, bool(len(mine)), first, last, size))
        begin += rows
    return spans


def _most_held(spans: list[_Span]) -> int:
    """How much is held at most where each batch is read when its first row's turn has come."""
    steps = sorted(
        step
        for span in spans
        if span.stands
        for step in ((span.first, 0, span.size), (span.last, 1, -span.size))
    )
    return int(np.cumsum([size for *_, size in steps]).max()) if steps else 0


def _taken(table: pa.Table, rows: _Places) -> pa.Table:
    """Some rows, each column in one piece. Many columns are empty, in any order."""
    at = pa.array(rows)
    columns = [
        pa.nulls(len(at), column.type) if column.null_count == len(column) else column.take(at)
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=table.schema).combine_chunks()


def _sorted_in_parts(
    batches: Batches, places: _Places, spans: list[_Span], folder: Path, name: str
) -> tuple[Batches, _Places]:
    """The rows that stand as sorted files of about `_PART_BYTES` each, and their places."""
    files: list[Written] = []
    sorted_places: list[_Places] = []
    parts: list[pa.RecordBatch] = []
    held: list[_Places] = []
    size = 0
    for span in spans:
        parts.append(batches.batch(span.batch))
        held.append(places[span.begin : span.end])
        size += span.size
        if size < _PART_BYTES and span is not spans[-1]:
            continue
        order = np.concatenate(held)
        stands = np.argsort(order, kind="stable")
        stands = stands[np.searchsorted(order[stands], 0) :]
        whole = pa.Table.from_batches(parts).combine_chunks()
        parts = []
        rows = max(1, len(order) * _PIECE_BYTES // max(1, size))
        pieces = (_taken(whole, stands[at : at + rows]) for at in range(0, len(stands), rows))
        path = folder / f"{name}-{len(files):06d}.arrow"
        files.append(write_file(path, pieces, whole.schema, _PIECE_BYTES))
        sorted_places.append(order[stands])
        held, size = [], 0
    return Batches(files), np.concatenate(sorted_places)


def values_at(batches: Batches, column: str, ordinals: _Places) -> dict[int, str | None]:
    """The text column's value at each of some rows, by ordinal; `ordinals` ascending."""
    values: dict[int, str | None] = {}
    if not len(ordinals):
        return values
    for table in batches.tables(["ordinal", column]):
        mine = table.column("ordinal").to_numpy()
        at = np.minimum(np.searchsorted(ordinals, mine), len(ordinals) - 1)
        stands = ordinals[at] == mine
        if stands.any():
            found = table.filter(pa.array(stands))
            texts = found.column(column).to_pylist()
            values.update(zip(found.column("ordinal").to_pylist(), texts, strict=True))
    return values
