"""The run rows of the ledger: what each night was run with and what it came to; and how budgets were spent. Hour rows
are ingest's (but for what the score step says in them), mail rows send's."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalkit.lake.tables import Lake
from evalkit.schema import INTERACTIONS, LEDGER

__all__ = [
    "Run",
    "digest",
    "hours_digest",
    "last_run",
    "record_run",
    "record_scored",
    "record_spent",
    "spent_before",
    "spent_on",
]

_DIGEST_ROWS = 4096


@dataclass(frozen=True)
class Run:
    """One run of one night. `run_id` follows from what it was run with, so the same night has the same id."""

    day: date
    status: str
    exit_code: int
    config_hash: str
    versions: Mapping[str, str]
    message: str | None
    started_at: datetime
    seconds: float
    counts: Mapping[str, int]

    @property
    def run_id(self) -> str:
        text = repr((self.day.isoformat(), self.config_hash, sorted(self.versions.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def record_run(lake: Lake, run: Run) -> None:
    """Replace the run row of a night."""
    row: dict[str, object] = {column.name: None for column in LEDGER.columns}
    row |= {
        "day": run.day,
        "kind": "run",
        "run_id": run.run_id,
        "status": run.status,
        "exit_code": run.exit_code,
        "config_hash": run.config_hash,
        "versions": sorted(run.versions.items()),
        "message": run.message,
        "started_at": run.started_at,
        "seconds": round(run.seconds, 3),
    }
    row |= {
        name: run.counts.get(name)
        for name in ("received", "accepted", "duplicate", "rejected", "scored")
    }
    lake.replace(
        LEDGER, run.day, pa.Table.from_pylist([row], schema=LEDGER.schema), part={"kind": "run"}
    )


def record_scored(lake: Lake, day: date, scored: Mapping[tuple[str, datetime], int]) -> None:
    """Say in the hours of a day how many of their interactions have a score, by source and hour."""
    hours = lake.read(LEDGER, day, day)
    hours = hours.filter(pc.equal(hours["kind"], "hour"))
    if not hours.num_rows:
        return
    keys = zip(hours["source"].to_pylist(), hours["hour"].to_pylist(), strict=True)
    counts = pa.array([scored.get(key, 0) for key in keys], pa.int64())
    place = hours.schema.get_field_index("scored")
    lake.update(LEDGER, day, hours.set_column(place, "scored", counts), part={"kind": "hour"})


def hours_digest(lake: Lake, day: date) -> str:
    """Hash of what the ledger counts of a day's hours, but for what follows from other days and steps:
    tells whether anything came in or is known to be missing that was not before."""
    rows = lake.sql(
        "SELECT source, hour, received, accepted, duplicate, rejected, late, missing FROM ledger "
        "WHERE day = $day AND kind = 'hour' ORDER BY source, hour",
        {"day": day},
    ).to_pylist()
    text = repr([[str(value) for value in row.values()] for row in rows])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def last_run(lake: Lake, day: date) -> dict[str, Any] | None:
    """The run row of a night as a dict (`versions` too), or None when it was never run."""
    rows = lake.sql(
        "SELECT run_id, status, exit_code, config_hash, versions, message FROM ledger "
        "WHERE day = $day AND kind = 'run'",
        {"day": day},
    ).to_pylist()
    if not rows:
        return None
    row: dict[str, Any] = rows[0]
    return row | {"versions": dict(rows[0]["versions"] or [])}


def digest(lake: Lake, day: date) -> str:
    """Hash of all values of a day's interactions: tells whether anything changed, whatever the files are called."""
    total = hashlib.sha256()
    for batch in lake.batches(INTERACTIONS, day, _DIGEST_ROWS):
        buffer = io.BytesIO()
        pq.write_table(
            batch, buffer, compression="none", use_dictionary=False, write_statistics=False
        )
        total.update(buffer.getvalue())
    return total.hexdigest()[:16]


def record_spent(lake: Lake, day: date, spent: Mapping[str, str] | None) -> None:
    """Say how a day's budget was spent; None where the day was scored without one."""
    if spent is None and not _spent(lake, day):
        return
    row = {"day": day, "kind": "budget", "spent": sorted((spent or {}).items())}
    rows = pa.Table.from_pylist([] if spent is None else [row], schema=LEDGER.schema)
    lake.update(LEDGER, day, rows, part={"kind": "budget"})


def spent_on(lake: Lake, day: date) -> dict[str, str]:
    """How a day's budget was spent; empty where it had none."""
    found = _spent(lake, day)
    return found[0] if found else {}


def spent_before(lake: Lake, day: date) -> list[tuple[date, dict[str, str]]]:
    """How the budgets of the day and of those before it were spent, newest first."""
    rows = lake.sql(
        "SELECT day, spent FROM ledger WHERE kind = 'budget' AND day <= $day ORDER BY day DESC",
        {"day": day},
    ).to_pylist()
    return [(row["day"], dict(row["spent"] or ())) for row in rows]


def _spent(lake: Lake, day: date) -> list[dict[str, str]]:
    rows = lake.sql(
        "SELECT spent FROM ledger WHERE kind = 'budget' AND day = $day", {"day": day}
    ).to_pylist()
    return [dict(row["spent"] or ()) for row in rows]
