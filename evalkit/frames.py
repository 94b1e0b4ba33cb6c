"""A DataFrame or Arrow table at hand as rows of `interactions`: missing columns are NULL, contexts may be plain texts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa

from evalkit.errors import EvalkitError
from evalkit.schema import INTERACTIONS

__all__ = ["interactions_from"]

_NO_DAY = date(1970, 1, 1)


def interactions_from(frame: pd.DataFrame | pa.Table) -> pa.Table:
    """Rows of `interactions` from a frame with any of its columns.

    `context` (one text per row) is taken when there is no `contexts`; `contexts` may be a list of texts or of
    objects with `id` and `text`. Columns that `interactions` does not have are left out.

    Raises:
        EvalkitError: neither `query` nor `response` is there, or a column has a type that it cannot have.
    """
    table = (
        pa.Table.from_pandas(frame, preserve_index=False)
        if isinstance(frame, pd.DataFrame)
        else frame
    )
    given = set(table.column_names)
    if not given & {"query", "response"}:
        raise EvalkitError(
            f"The frame has neither `query` nor `response` (it has: {', '.join(sorted(given))}). "
            "Rename its columns: see `evalkit schema interactions`."
        )
    n = table.num_rows
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for column in INTERACTIONS.columns:
        if column.name == "contexts":
            columns[column.name] = pa.array(_contexts(table), column.type)
        elif column.name == "day":
            columns[column.name] = pa.array([_NO_DAY] * n, column.type)
        elif column.name == "interaction_id" and "interaction_id" not in given:
            columns[column.name] = pa.array([str(i) for i in range(n)], column.type)
        elif column.name == "status" and "status" not in given:
            columns[column.name] = pa.array(["ok"] * n, column.type)
        elif column.name in given:
            try:
                columns[column.name] = table.column(column.name).cast(column.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise EvalkitError(
                    f"Column {column.name!r} cannot be read as {column.type}: {error}"
                ) from error
        else:
            columns[column.name] = pa.nulls(n, column.type)
    return pa.table(columns, schema=INTERACTIONS.schema)


def _contexts(table: pa.Table) -> Iterable[list[dict[str, Any]] | None]:
    if "contexts" in table.column_names:
        values = table.column("contexts").to_pylist()
    elif "context" in table.column_names:
        values = [None if v is None else [v] for v in table.column("context").to_pylist()]
    else:
        return [None] * table.num_rows
    return [
        None if row is None else [_chunk(i, item) for i, item in enumerate(row)] for row in values
    ]


def _chunk(position: int, item: Any) -> dict[str, Any]:
    if isinstance(item, str) or item is None:
        item = {"text": item}
    if not isinstance(item, dict):
        raise EvalkitError(
            f"contexts: {item!r} is neither a text nor an object with `id` and `text`."
        )
    known = {field.name for field in INTERACTIONS.schema.field("contexts").type.value_type}
    chunk = {name: item.get(name) for name in known}
    chunk["rank"] = position + 1 if chunk["rank"] is None else chunk["rank"]
    return chunk
