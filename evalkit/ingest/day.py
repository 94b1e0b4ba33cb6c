"""One day of what was read, beside what is stored of it already: which rows stand, and what the
questions in `sql/` say of them. Nothing is committed here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.ingest.labels import VERDICTS
from evalkit.ingest.merging import Ordered, values_at
from evalkit.ingest.ordering import may_stand, places_of, seen_twice
from evalkit.ingest.reading import REJECTED, Spools
from evalkit.ingest.spool import ORDINAL, Batches, Spool
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LABELS, PROMPTS, REJECTS, Table

__all__ = ["Day", "sql"]

_MEMORY = "512MB"
_ROWS = 4096
#: Interactions that are looked at and written at once.
_TOGETHER = 16_384
#: Prompts whose texts are looked up at once.
_PROMPTS = 16_384
_IDS = ["interaction_id", "source", "trace_id", "updated_at"]


def sql(question: str) -> str:
    """The text of `sql/QUESTION.sql`."""
    return (resources.files("evalkit.ingest") / "sql" / f"{question}.sql").read_text("utf-8")


class Day:
    """The records of one day: those read now and, unless it is to be replaced, those stored.

    A stored row stands until its source says something newer: one that was not read again is kept,
    for its file may have been moved away meanwhile. With `replace` only what was read now stands.

    Attributes:
        count: how many interactions the day has.
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
        self._duckdb.execute("SET preserve_insertion_order = false")
        read = spools.rows.batches(day)
        told = read
        for other in others:
            told += spools.rows.batches(other)
        #: What questions may name once, and what is read of it as they are asked.
        self._views = {
            "spooled": (read, INTERACTIONS.schema),
            "told": (told, INTERACTIONS.schema),
            "told_traces": (told if spools.fetched else Batches([]), INTERACTIONS.schema),
            "rejected": (spools.rejects.batches(day), REJECTED),
            "verdicts": (spools.verdicts.batches(None), VERDICTS),
        }
        fetched = pa.table({"source": pa.array(sorted(spools.fetched), pa.string())})
        self._duckdb.register("fetched", fetched)
        rejects = REJECTS.empty() if replace else lake.read(REJECTS, day, day)
        self._duckdb.register("stored_rejects", rejects)
        self.partly: frozenset[str] = frozenset()
        self._batches = read if replace else self._kept(folder, rejects) + read
        self._views["spooled"] = (self._batches, INTERACTIONS.schema)
        self._duckdb.register(
            "partly", pa.table({"source": pa.array(sorted(self.partly), pa.string())})
        )
        places = self._placed = self._places()
        self.count = int(np.count_nonzero(places >= 0))
        self._ordered = Ordered(self._batches, places, folder, f"sorted-{day}")
        pa.default_memory_pool().release_unused()
        self.rejects = self.answer("rejects", REJECTS)
        self._duckdb.register("refused", self.rejects)

    def __enter__(self) -> Day:
        return self

    def __exit__(self, *_: object) -> None:
        self._duckdb.close()

    def tables(self) -> Iterator[pa.Table]:
        """The day's interactions in order, some rows at a time; may be asked for again."""
        for table in self._ordered.tables(_TOGETHER):
            is_cast = table.schema.equals(INTERACTIONS.schema)
            yield table if is_cast else table.cast(INTERACTIONS.schema)

    def prompts(self) -> Iterator[pa.Table]:
        """The day's prompts in order, some at a time; the text is that of the first call of each."""
        for batch in self._ask("prompts").to_arrow_reader(_PROMPTS):
            found = pa.Table.from_batches([batch])
            examples = found.column("example").to_pylist()
            wanted = np.array(sorted(set(examples)), np.int64)
            texts = values_at(self._batches, "system_prompt", wanted)
            templates = pa.array([texts[example] for example in examples], pa.string())
            yield _as(found.append_column("template", templates), PROMPTS)

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

    def _kept(self, folder: Path, rejects: pa.Table) -> Batches:
        """The stored rows that still stand beside those that were read."""
        silent = set(rejects["source"].to_pylist())
        for name in ("spooled", "rejected"):
            for table in self._views[name][0].tables(["source"]):
                silent -= set(pc.unique(table["source"]).to_pylist())
        self.partly = frozenset(silent)
        stored = self._lake.count(INTERACTIONS, self._day)
        if not stored:
            return Batches([])
        rows = self._lake.batches(INTERACTIONS, self._day, _ROWS, _IDS)
        doubtful = may_stand(rows, self._views["told"][0])
        self._duckdb.register("stored", doubtful)
        standing = self._ask("standing").to_arrow_table()
        unread = pc.unique(standing.filter(standing["unread"])["source"]).to_pylist()
        self.partly = frozenset(set(unread) | silent)
        if not standing.num_rows:
            return Batches([])
        wanted = standing["interaction_id"].combine_chunks()
        spool = Spool(folder, "stored", [self._day], first=-stored)
        for rows in self._lake.batches(INTERACTIONS, self._day, _ROWS):
            mine = rows.filter(pc.is_in(rows["interaction_id"], wanted))
            spool.add(mine, mine["day"].combine_chunks())
        return spool.batches(self._day)

    def _places(self) -> NDArray[np.int64]:
        """The place in the day of each spooled row, below zero where it does not stand."""
        twice = seen_twice(self._batches)
        self._duckdb.register("twice", pa.table({"ordinal": pa.array(twice, pa.int64())}))
        found = self._ask("dropped").to_arrow_table() if len(twice) else None
        dropped = pa.table({"ordinal": pa.array([], pa.int64())}) if found is None else found
        self._duckdb.register("dropped", dropped)
        return places_of(self._batches, dropped.column("ordinal").to_numpy())

    def _ask(self, question: str) -> duckdb.DuckDBPyRelation:
        query = sql(question)
        said = "\n".join(line for line in query.splitlines() if not line.startswith("--"))
        for name, (batches, schema) in self._views.items():
            if re.search(rf"\b{name}\b", said):
                fields = [
                    field
                    for field in schema.append(ORDINAL)
                    if re.search(rf"\b{field.name}\b", said)
                ]
                has_place = name == "spooled" and re.search(r"\bplace >= 0", said)
                places = self._placed if has_place else None
                self._duckdb.register(name, batches.reader(pa.schema(fields), places))
        values = {name: value for name, value in self._values.items() if f"${name}" in query}
        return self._duckdb.sql(query, params=values or None)


def _as(found: pa.Table, table: Table) -> pa.Table:
    return found.select(table.schema.names).cast(table.schema)
