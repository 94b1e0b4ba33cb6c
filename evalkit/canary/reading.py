"""The frozen rows: read from the package, checked against their hash, as interactions. They are never scored here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import pyarrow as pa
import pyarrow.parquet as pq

from evalkit.errors import ModelError
from evalkit.schema import INTERACTIONS

__all__ = ["ROWS", "SCHEMA", "SHA256", "Canary", "digest", "read"]

ROWS = "rows.parquet"
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("query", pa.string()),
        ("contexts", pa.list_(pa.string())),
        ("response", pa.string()),
        ("hallucinated", pa.bool_()),
    ]
)
#: Hash of the rows' values, as datasets/make_canary.py prints it.
SHA256 = "877caa579d0ba9ee9bc56f478981603a7f3bfdf8ab2ca379485b2e2160e2020b"


@dataclass(frozen=True)
class Canary:
    """The frozen rows.

    Attributes:
        interactions: rows of `schema.INTERACTIONS` without a day of their own.
        hallucinated: what people say of each, in the same order.
    """

    interactions: pa.Table
    hallucinated: list[bool]


def digest(rows: pa.Table) -> str:
    """SHA-256 of the rows' values, whatever their file looks like."""
    text = json.dumps(rows.to_pylist(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def read() -> Canary:
    """The frozen rows of this package.

    Raises:
        ModelError: they are missing, or not the ones that this version was made with.
    """
    path = files("evalkit.canary") / ROWS
    try:
        with path.open("rb") as file:
            rows = pq.read_table(pa.BufferReader(file.read())).cast(SCHEMA)
    except (OSError, pa.ArrowInvalid) as error:
        raise ModelError(
            f"canary/{ROWS}: cannot be read ({error}). Install evalkit again."
        ) from error
    if digest(rows) != SHA256:
        raise ModelError(
            f"canary/{ROWS}: its rows hash to {digest(rows)[:12]}... and not to {SHA256[:12]}...: the file was "
            "changed after it was made. Install evalkit again."
        )
    taken = [
        {
            "day": date(1970, 1, 1),
            "interaction_id": row["id"],
            "status": "ok",
            "query": row["query"],
            "response": row["response"],
            "contexts": [
                {"id": f"{row['id']}/{place}", "text": text, "rank": place}
                for place, text in enumerate(row["contexts"], start=1)
            ],
        }
        for row in rows.to_pylist()
    ]
    return Canary(
        pa.Table.from_pylist(taken, INTERACTIONS.schema), rows["hallucinated"].to_pylist()
    )
