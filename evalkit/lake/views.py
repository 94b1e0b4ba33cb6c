"""The tables as DuckDB views over their Parquet files: in memory, no database file, no extension, no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from evalkit.errors import LakeError
from evalkit.schema import TABLES, Table

__all__ = ["Views"]

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class Views:
    """One connection over one state of the tables; a view is made when a query first names its table.

    Args:
        files: gives the Parquet files of a table's newest version.
        dataset: gives the table as a dataset instead, for files that DuckDB cannot reach by itself (S3).
    """

    def __init__(
        self,
        files: Callable[[Table], list[str]],
        dataset: Callable[[Table], ds.Dataset | None] | None,
    ) -> None:
        self._files = files
        self._dataset = dataset
        self._made: set[str] = set()
        self._connection = duckdb.connect(":memory:", config=_CONFIG)
        # A query sees tables, not this program's variables.
        self._connection.execute("SET python_enable_replacements = false")
        self._connection.execute("SET TimeZone = 'UTC'")

    def sql(self, query: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """The query's answer as Arrow; a statement without an answer gives an empty table."""
        for table in TABLES:
            if table.name not in self._made and re.search(
                rf"\b{table.name}\b", query, re.IGNORECASE
            ):
                self._make(table)
                self._made.add(table.name)
        used = {name: value for name, value in (params or {}).items() if f"${name}" in query}
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

    def close(self) -> None:
        self._connection.close()

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
