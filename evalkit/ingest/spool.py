"""Keeps what was read on disk, by day, so that memory does not grow with the traffic."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = ["Spool"]

#: What is held before the largest day is written out, in bytes of Arrow data over all days.
_HELD_BYTES = 96 * 1024 * 1024
_ROW_GROUP = 8192
_GROUP_BYTES = 4 * 1024 * 1024


class Spool:
    """Tables of one shape in a folder, one set of Parquet files per day; `ordinal` is added: the
    reading order.

    Args:
        folder: an existing folder, emptied by its owner.
        name: begins the files' names.
        days: rows of other days are dropped.
        order: columns that each file is sorted by; () for the order of reading.
        first: the first ordinal.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        days: Collection[date],
        order: Sequence[str] = (),
        first: int = 0,
    ) -> None:
        self._order = order
        self._folder = folder
        self._name = name
        self._days = set(days)
        self._held: dict[date | None, list[pa.Table]] = {}
        self._sizes: dict[date | None, int] = {}
        self._files: dict[date | None, list[Path]] = {}
        self._written: dict[date | None, int] = {}
        self._next = first

    def add(self, table: pa.Table, days: pa.Array | None = None) -> None:
        """Append rows. `days` (date32 [rows]) says which day each belongs to; None keeps them
        without a day."""
        ordinals = pa.array(np.arange(self._next, self._next + table.num_rows, dtype=np.int64))
        self._next += table.num_rows
        table = table.append_column("ordinal", ordinals)
        if days is None:
            self._hold(None, table)
            return
        found = [day for day in pc.unique(days).to_pylist() if day in self._days]
        for day in found:
            mine = pc.equal(days, pa.scalar(day, pa.date32()))
            self._hold(day, table if pc.all(mine).as_py() else table.filter(mine))

    def files(self, day: date | None) -> list[str]:
        """The Parquet files with the rows of a day (or without one), all written out."""
        self._write(day)
        return [str(path) for path in self._files.get(day, [])]

    def size(self, day: date | None) -> int:
        """How large the rows of a day are in memory, in bytes."""
        return self._written.get(day, 0) + self._sizes.get(day, 0)

    def _hold(self, day: date | None, table: pa.Table) -> None:
        if not table.num_rows:
            return
        self._held.setdefault(day, []).append(table)
        self._sizes[day] = self._sizes.get(day, 0) + int(table.nbytes)
        while sum(self._sizes.values()) > _HELD_BYTES:
            self._write(max(self._sizes, key=lambda key: self._sizes[key]))

    def _write(self, day: date | None) -> None:
        tables = self._held.pop(day, [])
        size = self._sizes.pop(day, 1)
        self._written[day] = self._written.get(day, 0) + size
        if not tables:
            return
        files = self._files.setdefault(day, [])
        path = self._folder / f"{self._name}-{day or 'undated'}-{len(files):06d}.parquet"
        table = pa.concat_tables(tables)
        if self._order:
            table = table.sort_by([(name, "ascending") for name in self._order])
        pq.write_table(
            table,
            path,
            compression="lz4",
            use_dictionary=False,
            write_statistics=False,
            # Readers hold whole groups: few rows in each where rows are large.
            row_group_size=max(1, min(_ROW_GROUP, table.num_rows * _GROUP_BYTES // size)),
        )
        files.append(path)
