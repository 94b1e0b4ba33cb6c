"""Keeps what was read on disk, by day and in the order of reading, so that memory does not grow with
the traffic. Which order rows have in the end is not known here (`merging.py`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import ipc

__all__ = ["ORDINAL", "Batches", "Spool", "Written", "write_file"]

#: The column that is added: the place of a row in the order of reading.
ORDINAL = pa.field("ordinal", pa.int64())
_PLACE = pa.field("place", pa.int64())
#: What is held before it is written: of one day, and of all days together.
_BATCH_BYTES = 1024 * 1024
_HELD_BYTES = 32 * 1024 * 1024
_BATCH_ROWS = 8192
#: More files than so many are not written to at the same time.
_OPEN_FILES = 64
#: Rather copied together than written one by one.
_FEW_ROWS = 1024
_WRITE = ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READ = ipc.IpcReadOptions(use_threads=False)


@dataclass
class Written:
    """An Arrow file on disk, and of each of its batches the rows and their bytes in memory."""

    path: Path
    shapes: list[tuple[int, int]] = field(default_factory=list)


class Batches:
    """Rows on disk as Arrow batches, any of which can be read alone and by some of its columns.

    Args:
        files: of one shape, in order, closed.
    """

    def __init__(self, files: Sequence[Written]) -> None:
        self._files = list(files)
        self._open: dict[Path, ipc.RecordBatchFileReader] = {}
        self._places = [(file.path, number) for file in files for number in range(len(file.shapes))]

    def __add__(self, other: Batches) -> Batches:
        return Batches([*self._files, *other._files])

    def shapes(self) -> list[tuple[int, int]]:
        """Rows of each batch, and their bytes in memory."""
        return [shape for file in self._files for shape in file.shapes]

    def reader(
        self, schema: pa.Schema, places: NDArray[np.int64] | None = None
    ) -> pa.RecordBatchReader:
        """Some columns of all rows, for DuckDB; it can be gone through once. `places`, int64 [rows], is a
        further column `place`."""

        # A dataset could be asked again, but it reads some tens of batches ahead.
        def batches() -> Iterator[pa.RecordBatch]:
            begin = 0
            for table in self.tables(schema.names):
                table = table.cast(schema)
                if places is not None:
                    mine = places[begin : begin + table.num_rows]
                    table = table.append_column(_PLACE, pa.array(mine))
                begin += table.num_rows
                yield from table.to_batches()

        whole = schema if places is None else schema.append(_PLACE)
        return pa.RecordBatchReader.from_batches(whole, batches())

    def batch(self, place: int) -> pa.RecordBatch:
        """One batch with all of its columns."""
        path, number = self._places[place]
        if (
            path not in self._open
        ):  # to open a file is to read what stands at its end of every batch
            self._open[path] = ipc.open_file(str(path), options=_READ)
        return self._open[path].get_batch(number)

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All batches, one after the other, with some of the columns."""
        for file in self._files:
            options = _READ if columns is None else _only(file.path, columns)
            with ipc.open_file(str(file.path), options=options) as reader:
                for number in range(len(file.shapes)):
                    table = pa.Table.from_batches([reader.get_batch(number)])
                    yield table if columns is None else table.select(list(columns))


def _only(path: Path, columns: Sequence[str]) -> ipc.IpcReadOptions:
    with ipc.open_file(str(path)) as reader:
        fields = sorted(reader.schema.get_field_index(name) for name in columns)
    return ipc.IpcReadOptions(use_threads=False, included_fields=fields)


class Spool:
    """Tables of one shape in a folder, one set of files per day; `ordinal` is added.

    Args:
        folder: an existing folder, emptied by its owner.
        name: begins the files' names.
        days: rows of other days are dropped.
        first: the first ordinal.
    """

    def __init__(self, folder: Path, name: str, days: Collection[date], first: int = 0) -> None:
        self._folder = folder
        self._name = name
        self._days = set(days)
        self._held: dict[date | None, list[pa.Table]] = {}
        self._sizes: dict[date | None, int] = {}
        self._files: dict[date | None, list[Written]] = {}
        self._open: dict[date | None, ipc.RecordBatchFileWriter] = {}
        self._next = first

    def add(self, table: pa.Table, days: pa.Array | None = None) -> None:
        """Append rows. `days` (date32 [rows]) says which day each belongs to; None keeps them
        without a day."""
        ordinals = np.arange(self._next, self._next + table.num_rows, dtype=np.int64)
        self._next += table.num_rows
        table = table.append_column(ORDINAL, pa.array(ordinals))
        if days is None:
            self._hold(None, table)
            return
        found = [day for day in pc.unique(days).to_pylist() if day in self._days]
        for day in found:
            mine = pc.equal(days, pa.scalar(day, pa.date32()))
            self._hold(day, table if pc.all(mine).as_py() else table.filter(mine))

    def has(self, day: date | None) -> bool:
        """Whether there are rows of a day (or without one)."""
        return day in self._held or day in self._files

    def batches(self, day: date | None) -> Batches:
        """The rows of a day (or without one), in the order of reading."""
        self._write(day)
        if day in self._open:
            self._open.pop(day).close()
        return Batches(self._files.get(day, []))

    def _hold(self, day: date | None, table: pa.Table) -> None:
        if not table.num_rows:
            return
        self._held.setdefault(day, []).append(table)
        self._sizes[day] = self._sizes.get(day, 0) + int(table.nbytes)
        if self._sizes[day] >= _BATCH_BYTES:
            self._write(day)
        while sum(self._sizes.values()) > _HELD_BYTES:
            self._write(max(self._sizes, key=lambda key: self._sizes[key]))

    def _write(self, day: date | None) -> None:
        tables = self._held.pop(day, [])
        self._sizes.pop(day, None)
        if not tables:
            return
        table = pa.concat_tables(tables)
        if table.num_rows < _FEW_ROWS * len(tables):
            table = table.combine_chunks()
        if day not in self._open:
            self._open[day] = self._writer(day, table.schema)
        _append(self._open[day], self._files[day][-1], table, _BATCH_BYTES)

    def _writer(self, day: date | None, schema: pa.Schema) -> ipc.RecordBatchFileWriter:
        if len(self._open) >= _OPEN_FILES:
            self._open.pop(next(iter(self._open))).close()
        files = self._files.setdefault(day, [])
        path = self._folder / f"{self._name}-{day or 'undated'}-{len(files):06d}.arrow"
        files.append(Written(path))
        return ipc.new_file(str(path), schema, options=_WRITE)


def write_file(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, size: int) -> Written:
    """Write rows into a file, in batches of about `size` bytes: a batch is read whole."""
    file = Written(path)
    with ipc.new_file(str(path), schema, options=_WRITE) as writer:
        for table in tables:
            _append(writer, file, table, size)
    return file


def _append(writer: ipc.RecordBatchFileWriter, file: Written, table: pa.Table, size: int) -> None:
    rows = table.num_rows * size // max(1, table.nbytes)
    for batch in table.to_batches(max_chunksize=max(1, min(_BATCH_ROWS, rows))):
        writer.write_batch(batch)
        file.shapes.append((batch.num_rows, int(batch.nbytes)))
