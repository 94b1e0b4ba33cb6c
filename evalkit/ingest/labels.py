"""Human verdicts that come with the traffic. Joining them to calls is the step's business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from evalkit.config import SourceSettings
from evalkit.ingest.contract import RecordError, Row
from evalkit.ingest.fields import Fields
from evalkit.ingest.linewise import line_source
from evalkit.schema import TIME

__all__ = ["FORMAT", "VERDICTS", "table_of_labels"]

#: A verdict before it is joined to its interaction.
VERDICTS = pa.schema(
    [
        ("source_id", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("by", pa.string()),
        ("at", TIME),
    ]
)


def parse(record: dict[str, Any], settings: SourceSettings) -> list[Row]:
    """One verdict a line: `{"source_id", "metric", "value", "by", "at"}`; true and false count as 1
    and 0.

    `by` may be missing. `at` may not: it decides which of two verdicts of one person stands.
    """
    fields = Fields(record)
    at = fields.time("at")
    if at is None:
        raise RecordError("at: missing or no time")
    verdict = fields.flag("value")
    row = {
        "started_at": at,
        "source_id": fields.text("source_id"),
        "metric": fields.text("metric"),
        "value": fields.number("value") if verdict is None else float(verdict),
    }
    for name, value in row.items():
        if value is None:
            raise RecordError(f"{name}: missing or of the wrong type", at)
    return [row | {"by": fields.text("by")}]


FORMAT = line_source("labels", parse, __name__)


def table_of_labels(rows: Sequence[Row]) -> pa.Table:
    """Verdicts as Arrow, in their order."""
    columns = {
        name: pa.array([row["started_at" if name == "at" else name] for row in rows], type_)
        for name, type_ in zip(VERDICTS.names, VERDICTS.types, strict=True)
    }
    return pa.table(columns, schema=VERDICTS)
