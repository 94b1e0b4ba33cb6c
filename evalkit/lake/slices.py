"""Rows as they pass by, a few at a time: cut anew into equal slices, read from and written to one
Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

__all__ = ["read_groups", "read_slices", "resliced", "write_slices"]

#: Rows of a row group, which is read whole.
_GROUP_ROWS = 16_384


def resliced(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """The same rows as tables of exactly `rows` rows but for the last one.

    >>> parts = pa.table({"a": range(5)}).to_batches(max_chunksize=2)
    >>> [table["a"].to_pylist() for table in resliced(parts, 3)]
    [[0, 1, 2], [3, 4]]
    """
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        while count >= rows:
            whole = pa.Table.from_batches(held)
            yield whole.slice(0, rows)
            held = whole.slice(rows).to_batches()
            count -= rows
    if count:
        yield pa.Table.from_batches(held)


def read_slices(file: Path, rows: int) -> Iterator[pa.Table]:
    """The rows of a Parquet file in order, as tables of exactly `rows` rows but for the last one."""
    with pq.ParquetFile(file, pre_buffer=False) as opened:
        yield from resliced(opened.iter_batches(batch_size=rows, use_threads=False), rows)


def read_groups(
    dataset: ds.Dataset, columns: list[str] | None, rows: ds.Expression | None
) -> Iterator[pa.RecordBatch]:
    """Some columns and rows of a dataset of Parquet files in order, one row group in memory at a time. (A
    scan of the dataset reads on while what it gave is worked on, as far as the file goes.)"""
    for file in dataset.get_fragments(filter=rows):
        for group in file.split_by_row_group(filter=rows, schema=dataset.schema):
            yield from group.to_table(
                schema=dataset.schema, columns=columns, filter=rows, use_threads=False
            ).to_batches()


def write_slices(
    file: Path,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    meta: Callable[[], Mapping[str, str]] = dict,
) -> Path:
    """Write rows into a Parquet file; it is there whole or not at all.

    Args:
        file, schema, tables: where, and which rows.
        meta: gives what the file is to say of itself besides, once all rows are known.
    """
    part = file.with_name(f".{file.name}.part")
    with pq.ParquetWriter(part, schema, compression="zstd", compression_level=3) as writer:
        for table in tables:
            writer.write_table(table.select(schema.names).cast(schema), row_group_size=_GROUP_ROWS)
        writer.add_key_value_metadata(dict(meta()))
    part.replace(file)
    return file
