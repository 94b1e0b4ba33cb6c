"""Rows in the shape that a table declares: its columns, their types, nothing that is not stored; and
whether two have the same values."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from evalkit.errors import LakeError
from evalkit.schema import Table

__all__ = ["same", "typed", "without_nan", "young"]


def young(schema: pa.Schema, table: Table) -> set[str]:
    """Declared columns that a stored table does not have yet."""
    return {column.name for column in table.columns} - set(schema.names)


def typed(found: pa.Table, table: Table) -> pa.Table:
    """`found` with every declared column, in the declared order and type; further ones (metrics) follow."""
    known = {column.name: column.type for column in table.columns}
    order = [*known, *(name for name in found.column_names if name not in known)]
    return pa.table(
        {
            name: found.column(name).cast(known.get(name, _plain(found.schema.field(name).type)))
            if name in found.column_names
            else _absent(table, name, known[name], found.num_rows)
            for name in order
        }
    )


def _absent(table: Table, name: str, type_: pa.DataType, rows: int) -> pa.Array:
    """What rows have in a column that they were written before."""
    older = table.older.get(name)
    return pa.nulls(rows, type_) if older is None else pa.repeat(pa.scalar(older, type_), rows)


def same(stored: pa.Table, data: pa.Table) -> bool:
    """Whether stored rows are those at hand: a column that only one of them has may hold NULL alone."""
    if stored.num_rows != data.num_rows:
        return False
    mine, theirs = set(data.column_names), set(stored.column_names)
    if any(stored[name].null_count != stored.num_rows for name in theirs - mine):
        return False
    if any(data[name].null_count != data.num_rows for name in mine - theirs):
        return False
    return all(
        stored[name].combine_chunks().equals(data[name].cast(stored[name].type).combine_chunks())
        for name in mine & theirs
    )


def _plain(type_: pa.DataType) -> pa.DataType:
    return (
        pa.string() if pa.types.is_large_string(type_) or pa.types.is_string_view(type_) else type_
    )


def without_nan(data: pa.Table, name: str) -> None:
    """Refuse NaN: a missing value is NULL, and DuckDB's answers on NaN differ between versions."""
    for field in data.schema:
        if pa.types.is_floating(field.type) and pc.any(pc.is_nan(data[field.name])).as_py():
            raise LakeError(f"{name}: {field.name}: NaN is never stored. A missing value is NULL.")
