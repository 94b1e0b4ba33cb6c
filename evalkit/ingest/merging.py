"""Reads a day's spooled rows back in their final order, a few row groups in memory at a time.

DuckDB decides which rows stand and in which order, on narrow columns only. The texts do not pass
through it: it holds 2,048 rows at once, however large they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["merged", "values_at"]

_Places = NDArray[np.int64]


def merged(files: Sequence[str], kept: _Places, places: _Places) -> Iterator[pa.Table]:
    """The kept rows of sorted files as one sorted stream.

    Args:
        files: Parquet files with an `ordinal` column, each sorted as the result is.
        kept: int64 [n], the ordinals of the rows that stand, ascending.
        places: int64 [n], the place of each of them in the result.

    Returns:
        Tables of some rows each, without `ordinal`.
    """
    runs = [_run(file, kept, places) for file in files]
    heads = [(run, *head) for run in runs if (head := next(run, None)) is not None]
    while heads:
        # All rows up to here have been read: what comes later in any file stands later.
        bound = min(int(order[-1]) for _, _, order in heads)
        tables, orders, rest = [], [], []
        for run, table, order in heads:
            cut = int(np.searchsorted(order, bound, side="right"))
            tables.append(table.slice(0, cut))
            orders.append(order[:cut])
            if cut < len(order):
                rest.append((run, table.slice(cut), order[cut:]))
            elif (head := next(run, None)) is not None:
                rest.append((run, *head))
        heads = rest
        order = np.concatenate(orders)
        whole = pa.concat_tables(tables)
        if len(heads) + len(tables) > 1 and np.any(np.diff(order) < 0):
            whole = whole.take(pa.array(np.argsort(order)))
        yield whole


def _run(file: str, kept: _Places, places: _Places) -> Iterator[tuple[pa.Table, _Places]]:
    reader = pq.ParquetFile(file)
    for group in range(reader.num_row_groups):
        table = reader.read_row_group(group, use_threads=False)
        at, stands = _found(table, kept)
        if not stands.all():
            table, at = table.filter(pa.array(stands)), at[stands]
        if len(at):
            yield table.drop_columns(["ordinal"]), places[at]


def values_at(files: Sequence[str], column: str, ordinals: _Places) -> dict[int, str | None]:
    """The text column's value at each of some rows, by ordinal; `ordinals` ascending."""
    values: dict[int, str | None] = {}
    for file in files:
        reader = pq.ParquetFile(file)
        for group in range(reader.num_row_groups):
            table = reader.read_row_group(group, columns=["ordinal", column], use_threads=False)
            _, stands = _found(table, ordinals)
            if stands.any():
                table = table.filter(pa.array(stands))
                rows = zip(
                    table.column("ordinal").to_pylist(),
                    table.column(column).to_pylist(),
                    strict=True,
                )
                values.update(rows)
    return values


def _found(table: pa.Table, wanted: _Places) -> tuple[_Places, NDArray[np.bool_]]:
    """Where each row's ordinal stands in `wanted`, and whether it does."""
    ordinals = table.column("ordinal").to_numpy()
    if not len(wanted):
        return np.zeros(len(ordinals), np.int64), np.zeros(len(ordinals), np.bool_)
    at = np.minimum(np.searchsorted(wanted, ordinals), len(wanted) - 1)
    return at, wanted[at] == ordinals
