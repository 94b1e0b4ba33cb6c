"""Reads a day's spooled rows back in their final order, a few batches in memory at a time.

Which rows stand and in which order is decided on narrow columns (`day.py`); here the texts follow.
Logs are nearly in order as a rule: then each row is read once. Where they are not, they are first
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
        self._spans = sorted((span for span in spans if span.stands), key=lambda span: span.first)

    def __iter__(self) -> Iterator[pa.Table]:
        """The rows that stand, in tables of some rows each, without `ordinal`."""
        heads: list[_Head] = []
        firsts = [span.first for span in self._spans]
        bounds = [*firsts[1:], np.iinfo(np.int64).max][: len(firsts)]
        for span, bound in zip(self._spans, bounds, strict=True):
            batch = self._batches.batch(span.batch)
            batch = batch.select([name for name in batch.schema.names if name != ORDINAL.name])
            heads.append(_Head(*_in_order(batch, self._places[span.begin : span.end])))
            # All rows up to here have been read: what comes later stands later.
            yield from _ready(heads, bound)
            heads = [head for head in heads if len(head.places)]


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


@dataclass
class _Head:
    """Rows in order that were not handed on yet, and their places."""

    batch: pa.RecordBatch
    places: _Places

    def cut(self, bound: int) -> pa.RecordBatch:
        """Take the rows before a place out."""
        at = int(np.searchsorted(self.places, bound))
        taken = self.batch.slice(0, at)
        self.batch, self.places = self.batch.slice(at), self.places[at:]
        return taken


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


def _in_order(batch: pa.RecordBatch, places: _Places) -> tuple[pa.RecordBatch, _Places]:
    order = np.argsort(places, kind="stable")
    order = order[np.searchsorted(places[order], 0) :]
    if len(order) == len(places) and (np.diff(order) == 1).all():
        return batch, places
    return _taken(batch, order), places[order]


def _taken(batch: pa.RecordBatch, order: _Places) -> pa.RecordBatch:
    """The rows at these places, none twice. Many columns are empty, in any order."""
    at = pa.array(order)
    columns = [
        column.slice(0, len(at)) if column.null_count == len(column) else column.take(at)
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _ready(heads: list[_Head], bound: int) -> Iterator[pa.Table]:
    """Take the rows out that stand before a place, in order. Where the rows of only one batch are
    left they are not copied."""
    while True:
        ready = [head for head in heads if len(head.places) and head.places[0] < bound]
        if not ready:
            return
        if len(ready) == 1:
            yield pa.Table.from_batches([ready[0].cut(bound)])
            return
        # Up to where all but one of them end, their rows stand between each other's.
        ends = sorted(int(head.places[np.searchsorted(head.places, bound) - 1]) for head in ready)
        upto = min(bound, ends[-2] + 1)
        places = np.concatenate(
            [head.places[: np.searchsorted(head.places, upto)] for head in ready]
        )
        whole = _together([head.cut(upto) for head in ready])
        yield pa.Table.from_batches([_taken(whole, np.argsort(places))])


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
        whole = _together(parts)
        parts = []
        rows = max(1, len(order) * _PIECE_BYTES // max(1, size))
        pieces = (
            pa.Table.from_batches([_taken(whole, stands[at : at + rows])])
            for at in range(0, len(stands), rows)
        )
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
