"""The tables as DuckDB views over their Parquet files: in memory, no database file, no extension, no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from evalkit.errors import LakeError
from evalkit.schema import TABLES, Table

__all__ = ["Views"]

#: What a query that may spill has before it does.
_SPILL_FROM = "512MB"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class Views:
    """One connection over one state of the tables; a view is made when a query first names its table.

    Args:
        files: gives the Parquet files of a table's newest version.
        dataset: gives the table as a dataset instead, for files that DuckDB cannot reach by itself (S3).
        spill: folder for what does not fit into `_SPILL_FROM`; without it all of a query is in memory.
    """

    def __init__(
        self,
        files: Callable[[Table], list[str]],
        dataset: Callable[[Table], ds.Dataset | None] | None,
        spill: Path | None = None,
    ) -> None:
        self._files = files
        self._dataset = dataset
        self._made: set[str] = set()
        self._connection = duckdb.connect(":memory:", config=_CONFIG)
        # A query sees tables, not this program's variables.
        self._connection.execute("SET python_enable_replacements = false")
        self._connection.execute("SET TimeZone = 'UTC'")
        if spill is not None:
            self._connection.execute("SET memory_limit = $1", [_SPILL_FROM])
            self._connection.execute("SET temp_directory = $1", [str(spill)])
            # What is asked for in an order says so; keeping any other would hold whole files.
            self._connection.execute("SET preserve_insertion_order = false")
            self._connection.execute("SET enable_progress_bar = false")

    def sql(self, query: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """The query's answer as Arrow; a statement without an answer gives an empty table."""
        self._prepare(query)
        used = _used(query, params)
        try:
            relation = self._connection.sql(query, params=used or None)
        except duckdb.Error as error:
            raise LakeError(f"The query cannot be answered: {error}") from error
        # A statement without an answer gives None, which DuckDB's types leave out.
        if cast(object, relation) is None:
            return pa.table({})
        try:
            return relation.to_arrow_table()
        except duckdb.Error as error:
            raise LakeError(f"The query cannot be answered: {error}") from error

    def stream(
        self,
        query: str,
        params: Mapping[str, Any],
        files: Mapping[str, Sequence[Path]],
        rows: int,
    ) -> Iterator[pa.Table]:
        """The query's answer in parts of at most `rows` rows; `files` are further views."""
        self._prepare(query)
        try:
            for name, paths in files.items():
                found = [str(path) for path in paths]
                view = self._connection.read_parquet(
                    found, union_by_name=True, hive_partitioning=False
                )
                view.create_view(name)
            answer = self._connection.execute(query, _used(query, params) or None)
            for batch in answer.to_arrow_reader(rows):
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, pa.ArrowInvalid) as error:
            raise LakeError(f"The query cannot be answered: {error}") from error

    def close(self) -> None:
        self._connection.close()

    def _prepare(self, query: str) -> None:
        """Make views of the tables that a query names."""
        for table in TABLES:
            if table.name not in self._made and re.search(
                rf"\b{table.name}\b", query, re.IGNORECASE
            ):
                self._make(table)
                self._made.add(table.name)

    def _make(self, table: Table) -> None:
        relation = self._relation(table)
        present = set(relation.columns)
        known = [column.name for column in table.columns]
        columns = []
        for column in table.columns:
            if column.name in present:
                columns.append(f'"{column.name}"')
            else:  # files older than the column
                older = table.older.get(column.name)
                value = "NULL" if older is None else f"'{older}'"
                columns.append(f'{value} AS "{column.name}"')
        # Metrics come from scorers' definitions, but an older file may hold any name: quote it.
        columns += [
            '"' + name.replace('"', '""') + '"' for name in relation.columns if name not in known
        ]
        relation.project(", ".join(columns)).create_view(table.name)

    def _relation(self, table: Table) -> duckdb.DuckDBPyRelation:
        source: ds.Dataset | pa.Table | None = None
        files: list[str] = []
        if self._dataset is not None:
            source = self._dataset(table)
        else:
            files = self._files(table)
        if files:
            return self._connection.read_parquet(files, union_by_name=True, hive_partitioning=True)
        name = f"_{table.name}"
        self._connection.register(name, table.empty() if source is None else source)
        return self._connection.table(name)


def _used(query: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values that a query asks for: DuckDB refuses others."""
    return {name: value for name, value in (params or {}).items() if f"${name}" in query}
