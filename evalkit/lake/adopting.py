"""Brings rows into a table in their order and without holding them: they become one Parquet file of
the table, which a commit then names. (The writer of `deltalake` stores a stream in any order.)"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, create_table_with_add_actions
from pyarrow.fs import PyFileSystem

from evalkit.schema import Table

__all__ = ["Added", "commit", "put"]


@dataclass(frozen=True)
class Added:
    """A file that lies in a table's folder, and that no version of the table names yet."""

    day: date
    schema: pa.Schema
    action: AddAction


def put(location: str, storage: Mapping[str, str], day: date, parts: Iterable[pa.Table]) -> Added:
    """Write rows of one day into a new file in a table's folder.

    Args:
        location, storage: where the table is.
        day: the day; the rows have it as a column, the file does not.
        parts: at least one table, all of one schema.
    """
    parts = iter(parts)
    first = next(parts)
    if "://" not in location:
        Path(location).mkdir(parents=True, exist_ok=True)
    files = PyFileSystem(DeltaStorageHandler(location, dict(storage)))
    # A name of its own: two runs may write the same day at once.
    path = f"day={day.isoformat()}/part-{uuid.uuid4()}.parquet"
    inner = first.drop_columns("day").schema
    with (
        files.open_output_stream(path) as sink,
        pq.ParquetWriter(sink, inner, compression="zstd", compression_level=3) as writer,
    ):
        rows = 0
        for part in chain([first], parts):
            writer.write_table(part.drop_columns("day").cast(inner))
            rows += part.num_rows
    size = int(files.get_file_info(path).size)
    stats = json.dumps({"numRecords": rows})
    action = AddAction(path, size, {"day": day.isoformat()}, 0, True, stats)
    return Added(day, first.schema, action)


def commit(
    delta: DeltaTable | None,
    location: str,
    storage: Mapping[str, str],
    table: Table,
    added: Added,
) -> None:
    """Replace a day by an added file in one transaction; a table that is not there is made.

    Raises:
        CommitFailedError: another run committed the same day meanwhile.
    """
    if delta is None:
        create_table_with_add_actions(
            location,
            Schema.from_arrow(added.schema),
            [added.action],
            mode="error",
            partition_by=list(table.parts),
            name=table.name,
            description=table.row,
            storage_options=dict(storage) or None,
        )
        return
    # The commit takes its schema as the table's: columns that only other days have must stay.
    known = pa.schema(delta.schema())
    merged = pa.schema(
        [*known, *(field for field in added.schema if field.name not in known.names)]
    )
    delta.create_write_transaction(
        [added.action],
        "overwrite",
        merged,
        partition_by=list(table.parts),
        partition_filters=[("day", "=", added.day.isoformat())],
    )
