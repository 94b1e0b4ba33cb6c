"""The first step of the night: logs become a day of `interactions` and of what belongs to it.

A day is committed table by table, each in one atomic commit, the ledger's hours last. Any order
would do after a kill, since the step starts again from the logs and replaces whole days; this one
makes the hours the mark that a day is complete. No table ever holds half a day.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from evalkit.config import Settings, day_bounds
from evalkit.ingest.labels import VERDICTS
from evalkit.ingest.merging import merged, values_at
from evalkit.ingest.reading import REJECTED, Spools, read_all
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LABELS, LEDGER, PROMPTS, REJECTS, Table

__all__ = ["Counts", "Ingested", "ingest"]

_MEMORY = "512MB"
#: Up to this size a day is handed over as a whole, which can be tried again when another run
#: commits.
_WHOLE_BYTES = 64 * 1024 * 1024
_HOUR = timedelta(hours=1)
_ORDINAL = pa.field("ordinal", pa.int64())


@dataclass(frozen=True)
class Counts:
    """What became of the records of a source on a day; they add up exactly."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0

    @property
    def received(self) -> int:
        return self.accepted + self.duplicate + self.rejected

    def __str__(self) -> str:
        return (
            f"{self.received:,} received: {self.accepted:,} accepted, "
            f"{self.duplicate:,} duplicate, {self.rejected:,} rejected"
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True)
class Ingested:
    """What came in on one day, by source."""

    day: date
    sources: Mapping[str, Counts]

    @property
    def total(self) -> Counts:
        return sum(self.sources.values(), Counts())

    def __str__(self) -> str:
        return str(self.total)


def ingest(settings: Settings, lake: Lake, days: Sequence[date]) -> list[Ingested]:
    """Read all sources in one pass and replace the given days.

    Args:
        settings: sources, labels and the zone that decides on days.
        lake: where the tables are.
        days: the days to replace; rows of other days are left alone.

    Returns:
        What came in on each day, days ascending.

    Raises:
        SourceError, ConfigError: before anything is committed.
        LakeError: a commit failed; days that were committed before stand.
    """
    wanted = sorted(set(days))
    if not wanted:
        return []
    with tempfile.TemporaryDirectory(prefix="evalkit-ingest-") as name:
        folder = Path(name)
        spools = read_all(settings, wanted, folder)
        return [_commit(settings, lake, day, spools, folder) for day in wanted]


def _commit(settings: Settings, lake: Lake, day: date, spools: Spools, folder: Path) -> Ingested:
    start, end = day_bounds(day, settings.zone)
    stored = lake.read(INTERACTIONS, day, day, ["interaction_id"])
    hours_before = _hours_before(lake, day)
    with _Day(day, start, spools, folder, stored) as asked:
        lake.replace(INTERACTIONS, day, asked.interactions())
        lake.replace(PROMPTS, day, asked.prompts())
        # Verdicts that people gave on a sheet are a part of their own, which the logs do not replace.
        lake.replace(LABELS, day, asked.answer("labels", LABELS), part={"origin": "traffic"})
        lake.replace(REJECTS, day, asked.answer("rejects", REJECTS))
        hours = _hours(asked, list(settings.sources), start, end, hours_before)
        data = pa.Table.from_pylist(
            [{"day": day, "kind": "hour", **hour} for hour in hours], schema=LEDGER.schema
        )
        lake.replace(LEDGER, day, data, part={"kind": "hour"})
    counts = dict.fromkeys(settings.sources, Counts())
    for hour in hours:
        counts[hour["source"]] += Counts(hour["accepted"], hour["duplicate"], hour["rejected"])
    return Ingested(day, counts)


def _hours_before(lake: Lake, day: date) -> dict[tuple[str, datetime], int] | None:
    """The late records that the ledger knows of, by source and hour; None for a day never stored
    before."""
    found = lake.read(LEDGER, day, day, ["kind", "source", "hour", "late"]).to_pylist()
    hours = [row for row in found if row["kind"] == "hour"]
    return {(row["source"], row["hour"]): row["late"] or 0 for row in hours} if hours else None


def _hours(
    asked: _Day,
    sources: list[str],
    start: datetime,
    end: datetime,
    before: Mapping[tuple[str, datetime], int] | None,
) -> list[dict[str, Any]]:
    """One ledger row per source and hour of the day, zeros included; the day has 23, 24 or 25 of
    them."""
    found = {(row["source"], row["hour"]): row for row in asked.rows("counts")}
    rejected = {(row["source"], row["hour"]): row["rejected"] for row in asked.rows("rejected")}
    count = -((start - end) // _HOUR)  # rounded up, where clocks move by half an hour
    rows = []
    for source in sources:
        for index in range(count):
            hour = start + index * _HOUR
            known = found.get((source, index), {})
            accepted, duplicate = known.get("accepted", 0), known.get("duplicate", 0)
            bad = rejected.get((source, index), 0)
            late = 0 if before is None else before.get((source, hour), 0) + known.get("fresh", 0)
            rows.append(
                {
                    "source": source,
                    "hour": hour,
                    "received": accepted + duplicate + bad,
                    "accepted": accepted,
                    "duplicate": duplicate,
                    "rejected": bad,
                    "late": late,
                }
            )
    return rows


class _Day:
    """The spooled records of one day, open to the questions in `sql/`."""

    def __init__(
        self, day: date, start: datetime, spools: Spools, folder: Path, stored: pa.Table
    ) -> None:
        self._values = {"day": day, "start_us": int(start.timestamp()) * 1_000_000}
        self._duckdb = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "memory_limit": _MEMORY,
                "temp_directory": str(folder / "duckdb"),
            },
        )
        self._duckdb.execute("SET TimeZone = 'UTC'")
        self._duckdb.execute("SET python_enable_replacements = false")
        self._files = spools.rows.files(day)
        self._size = spools.rows.size(day)
        self._view("spooled", self._files, INTERACTIONS.schema)
        self._view("rejected", spools.rejects.files(day), REJECTED)
        self._view("verdicts", spools.verdicts.files(None), VERDICTS)
        self._duckdb.register("stored", stored)
        found = self._duckdb.sql(_sql("kept")).to_arrow_table()
        self._kept, self._places = (found.column(name).to_numpy() for name in found.column_names)
        self._duckdb.register("kept", found)

    def __enter__(self) -> _Day:
        return self

    def __exit__(self, *_: object) -> None:
        self._duckdb.close()

    def interactions(self) -> pa.Table | pa.RecordBatchReader:
        """The day's interactions in order, a stream where they are many."""
        schema = INTERACTIONS.schema
        tables = merged(self._files, self._kept, self._places)
        batches = (batch for table in tables for batch in table.cast(schema).to_batches())
        if self._size <= _WHOLE_BYTES:
            return pa.Table.from_batches(batches, schema=schema)
        return pa.RecordBatchReader.from_batches(schema, batches)

    def prompts(self) -> pa.Table:
        """The day's prompts; the text is that of the first call of each."""
        found = self._ask("prompts").to_arrow_table()
        examples = found.column("example").to_pylist()
        texts = values_at(self._files, "system_prompt", np.array(sorted(set(examples)), np.int64))
        templates = pa.array([texts[example] for example in examples], pa.string())
        return _as(found.append_column("template", templates), PROMPTS)

    def answer(self, question: str, table: Table) -> pa.Table:
        """The answer to a question about narrow columns, with exactly the table's columns."""
        return _as(self._ask(question).to_arrow_table(), table)

    def rows(self, question: str) -> list[dict[str, Any]]:
        """A small answer as dicts."""
        found: list[dict[str, Any]] = self._ask(question).to_arrow_table().to_pylist()
        return found

    def _ask(self, question: str) -> duckdb.DuckDBPyRelation:
        query = _sql(question)
        values = {name: value for name, value in self._values.items() if f"${name}" in query}
        return self._duckdb.sql(query, params=values or None)

    def _view(self, name: str, files: list[str], schema: pa.Schema) -> None:
        if files:
            self._duckdb.read_parquet(files).create_view(name)
        else:
            self._duckdb.register(name, schema.append(_ORDINAL).empty_table())


def _as(found: pa.Table, table: Table) -> pa.Table:
    return found.select(table.schema.names).cast(table.schema)


def _sql(question: str) -> str:
    return (resources.files("evalkit.ingest") / "sql" / f"{question}.sql").read_text("utf-8")
