"""One day of what was read, beside what is stored of it already: which rows stand, and what the
questions in `sql/` say of them. Nothing is committed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.ingest.labels import VERDICTS
from evalkit.ingest.merging import merged, values_at
from evalkit.ingest.reading import REJECTED, Spools
from evalkit.ingest.spool import Spool
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LABELS, PROMPTS, REJECTS, Table

__all__ = ["Day", "sql"]

_MEMORY = "512MB"
#: Up to this size a day is handed over as a whole, which can be tried again when another run
#: commits.
_WHOLE_BYTES = 64 * 1024 * 1024
_ORDINAL = pa.field("ordinal", pa.int64())
_ROWS = 4096
_IDS = ["interaction_id", "source", "trace_id", "updated_at"]


def sql(question: str) -> str:
    """The text of `sql/QUESTION.sql`."""
    return (resources.files("evalkit.ingest") / "sql" / f"{question}.sql").read_text("utf-8")


class Day:
    """The records of one day: those read now and, unless it is to be replaced, those stored.

    A stored row stands until its source says something newer: one that was not read again is kept,
    for its file may have been moved away meanwhile. With `replace` only what was read now stands.

    Attributes:
        partly: sources of which not everything that is stored of the day was read again. What was
        counted of them before (duplicates, rejects) is still so.
    """

    def __init__(
        self,
        day: date,
        start: datetime,
        spools: Spools,
        others: Sequence[date],
        folder: Path,
        lake: Lake,
        *,
        replace: bool,
    ) -> None:
        self._day = day
        self._lake = lake
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
        self._size = spools.rows.size(day)
        self._files = spools.rows.files(day)
        self._view("read", self._files, INTERACTIONS.schema)
        elsewhere = [file for other in others for file in spools.rows.files(other)]
        self._view("elsewhere", elsewhere, INTERACTIONS.schema)
        fetched = pa.table({"source": pa.array(sorted(spools.fetched), pa.string())})
        self._duckdb.register("fetched", fetched)
        self._view("rejected", spools.rejects.files(day), REJECTED)
        self._view("verdicts", spools.verdicts.files(None), VERDICTS)
        rejects = REJECTS.empty() if replace else lake.read(REJECTS, day, day)
        self._duckdb.register("stored_rejects", rejects)
        self.partly: frozenset[str] = frozenset()
        if not replace:
            self._keep(folder, rejects)
        self._view("spooled", self._files, INTERACTIONS.schema)
        self._duckdb.register(
            "partly", pa.table({"source": pa.array(sorted(self.partly), pa.string())})
        )
        found = self._duckdb.sql(sql("kept")).to_arrow_table()
        self._kept, self._places = (found.column(name).to_numpy() for name in found.column_names)
        self._duckdb.register("kept", found)
        self.rejects = self.answer("rejects", REJECTS)
        self._duckdb.register("refused", self.rejects)

    def __enter__(self) -> Day:
        return self

    def __exit__(self, *_: object) -> None:
        self._duckdb.close()

    def tables(self) -> Iterator[pa.Table]:
        """The day's interactions in order, some rows at a time; may be asked for again."""
        for table in merged(self._files, self._kept, self._places):
            yield table.cast(INTERACTIONS.schema)

    def interactions(self) -> pa.Table | pa.RecordBatchReader:
        """The day's interactions in order, a stream where they are many."""
        schema = INTERACTIONS.schema
        batches = (batch for table in self.tables() for batch in table.to_batches())
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

    def labels(self) -> pa.Table:
        """The verdicts in the logs on the day's interactions."""
        return self.answer("labels", LABELS)

    def answer(self, question: str, table: Table) -> pa.Table:
        """The answer to a question about narrow columns, with exactly the table's columns."""
        return _as(self._ask(question).to_arrow_table(), table)

    def rows(self, question: str) -> list[dict[str, Any]]:
        """A small answer as dicts."""
        found: list[dict[str, Any]] = self._ask(question).to_arrow_table().to_pylist()
        return found

    def _keep(self, folder: Path, rejects: pa.Table) -> None:
        """Lay the stored rows that still stand beside those that were read."""
        stored = self._lake.read(INTERACTIONS, self._day, self._day, _IDS)
        self._duckdb.register("stored", stored)
        standing = self._duckdb.sql(sql("standing")).to_arrow_table()
        sources = self._duckdb.sql(
            "SELECT DISTINCT source FROM (FROM read SELECT source UNION ALL FROM rejected SELECT source)"
        ).to_arrow_table()
        silent = set(rejects["source"].to_pylist()) - set(sources["source"].to_pylist())
        unread = standing.filter(standing["unread"])["source"].to_pylist()
        self.partly = frozenset(set(unread) | silent)
        if not standing.num_rows:
            return
        wanted = standing["interaction_id"].combine_chunks()
        spool = Spool(
            folder,
            "stored",
            [self._day],
            order=("started_at", "interaction_id"),
            first=-stored.num_rows,
        )
        for rows in self._lake.batches(INTERACTIONS, self._day, _ROWS):
            mine = rows.filter(pc.is_in(rows["interaction_id"], wanted))
            spool.add(mine, mine["day"].combine_chunks())
        self._files = [*spool.files(self._day), *self._files]
        self._size += spool.size(self._day)

    def _ask(self, question: str) -> duckdb.DuckDBPyRelation:
        query = sql(question)
        values = {name: value for name, value in self._values.items() if f"${name}" in query}
        return self._duckdb.sql(query, params=values or None)

    def _view(self, name: str, files: list[str], schema: pa.Schema) -> None:
        if files:
            self._duckdb.read_parquet(files).create_view(name)
        else:
            self._duckdb.register(name, schema.append(_ORDINAL).empty_table())


def _as(found: pa.Table, table: Table) -> pa.Table:
    return found.select(table.schema.names).cast(table.schema)
