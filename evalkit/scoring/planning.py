"""Cuts a day into shards: which of its rows keep their scores, and for those that do not everything
that these rest on, as files. Nothing here grows with the day but files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evalkit.errors import EngineError
from evalkit.lake import Lake
from evalkit.lake.slices import read_slices, write_slices
from evalkit.queries import query
from evalkit.schema import INTERACTIONS, SCORES
from evalkit.scoring.corpus import SharedCorpus
from evalkit.scoring.keeping import content_fingerprints, may_stay, same_budget
from evalkit.scoring.shards import ROWS, TURN, Draw, Shard
from evalkit.scoring.staging import Staging
from evalkit.scoring.turns import TURNS, Turns, turns_params

__all__ = ["Cursor", "DayPlan"]

#: Rows that the driver has in memory at a time.
_SLICE = 4_096
_PLACES = pa.schema([("place", pa.int64()), ("interaction_id", pa.string())])
_CONTENT = pa.schema([*_PLACES, ("content_fingerprint", pa.string())])
_TURNS = pa.schema([("place", pa.int64()), *TURNS])


class Cursor:
    """Rows in the order of their places, handed out up to a place at a time.

    Args:
        tables: with a column `place` that rises; of several rows of one place the first counts.
    """

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        self._tables = iter(tables)
        self._held: pa.Table | None = None
        self._last = -1

    def until(self, end: int) -> pa.Table | None:
        """The next rows with places below `end`; None where there is none."""
        parts = []
        while True:
            if self._held is None or not self._held.num_rows:
                self._held = next(self._tables, None)
                if self._held is None:
                    break
            places = self._held["place"].to_numpy()
            cut = int(np.searchsorted(places, end))
            first = np.diff(places[:cut], prepend=self._last) > 0
            parts.append(self._held.slice(0, cut).filter(pa.array(first)))
            if cut:
                self._last = int(places[cut - 1])
            self._held = self._held.slice(cut)
            if self._held.num_rows:
                break
        found = pa.concat_tables(parts) if parts else None
        return found if found is not None and found.num_rows else None


@dataclass
class DayPlan:
    """One day: its rows in their order, the scores that stay, and the shards of all others.

    Args:
        lake: pinned, so that all of it is of one state.
        day: the day.
        staging: where files go.
        schema: of the scores that are made now.
        fingerprint: of what they are made with.
        shard_rows: at most so many rows in a shard.
        fresh: whether what is stored is left out of account.
        budget: the budget that rows are scored under; None without one.
    """

    lake: Lake
    day: date
    staging: Staging
    schema: pa.Schema
    fingerprint: str
    shard_rows: int
    fresh: bool = False
    budget: str | None = None
    kept: int = 0
    rows: int = 0
    results: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.corpus = SharedCorpus(self.staging.folder, self.lake, self.day)
        self._draws: list[pa.Table] = []
        names = ["interaction_id"]
        slices = self.lake.batches(INTERACTIONS, self.day, _SLICE, names)
        self._places = write_slices(
            self.staging.folder / "places.parquet", _PLACES, self._numbered(slices)
        )
        self._turns = self._stage_turns()
        self._kept = self._stage_kept()

    def shards(self) -> Iterator[Shard]:
        """The shards, each with its rows on disk by the time that it is given."""
        kept, held, count = self.kept_scores(), list[pa.Table](), 0
        for start, rows, turns in self._slices():
            stay = kept.until(start + rows.num_rows)
            new = np.ones(rows.num_rows, bool)
            if stay is not None:
                new[stay["place"].to_numpy() - start] = False
                self.kept += stay.num_rows
            if not new.any():
                continue
            held.append(_with_turns(rows, turns, start).filter(pa.array(new)))
            count += held[-1].num_rows
            while count >= self.shard_rows:
                whole = pa.concat_tables(held)
                yield self._shard(whole.slice(0, self.shard_rows))
                held, count = [whole.slice(self.shard_rows)], count - self.shard_rows
        if count:
            yield self._shard(pa.concat_tables(held))

    def standing_draws(self) -> dict[int, tuple[float, bool]]:
        """By place, of rows that are the same, were scored under the same budget and may have to be
        scored again: how likely each was to be drawn, and whether it was.

        Their draw stands: which of them are scored again may have to do with what was found, and
        so must not change how likely they were.
        """
        found: dict[int, tuple[float, bool]] = {}
        for table in self._draws:
            for row in table.to_pylist():
                chance = row["probability"]
                found.setdefault(row["place"], (0.0 if chance is None else chance, row["is_drawn"]))
        return found

    def kept_scores(self) -> Cursor:
        """The scores that stay, with their places."""
        return Cursor(() if self._kept is None else read_slices(self._kept, _SLICE))

    def made_scores(self) -> Cursor:
        """The scores that the shards came to, with their places; once all of them are done.

        Raises:
            EngineError: somebody removed them.
        """
        for path in self.results:
            if not path.exists():
                raise EngineError(
                    f"{path}: a shard was scored, and its scores are no longer there. Is [engine] "
                    "staging a folder that all workers share? Run the step again."
                )
        return Cursor(part for path in self.results for part in read_slices(path, _SLICE))

    def _shard(self, rows: pa.Table) -> Shard:
        number = len(self.results)
        path = write_slices(self.staging.shard(number), ROWS, [rows])
        self.results.append(self.staging.result(number))
        return Shard(
            number,
            self.day,
            path,
            self.results[-1],
            self.fingerprint,
            self.corpus,
            None if self.budget is None else Draw.of(self.staging, number, self.budget),
        )

    def _slices(self) -> Iterator[tuple[int, pa.Table, pa.Table]]:
        """The day's rows, a few at a time: the place of the first, the rows, their turns."""
        turns, start = Cursor(read_slices(self._turns, _SLICE)), 0
        for rows in self.lake.batches(INTERACTIONS, self.day, _SLICE):
            near = turns.until(start + rows.num_rows)
            yield start, rows, _TURNS.empty_table() if near is None else near
            start += rows.num_rows

    def _numbered(self, slices: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for ids in slices:
            places = np.arange(self.rows, self.rows + ids.num_rows)
            yield ids.add_column(0, "place", pa.array(places))
            self.rows += ids.num_rows

    def _stage_turns(self) -> Path:
        asked = query("placed_turns").replace("{turns}", query("session_turns"))
        found = self._ask(asked, turns_params(self.day), self._places)
        return write_slices(self.staging.folder / "turns.parquet", _TURNS, found)

    def _stage_kept(self) -> Path | None:
        """The scores that stay; None where there is nothing that could."""
        left = self.staging.usable(self.schema)
        stored = not self.fresh and self.lake.count(SCORES, self.day) > 0
        if not left and not stored:
            return None
        content = write_slices(self.staging.folder / "content.parquet", _CONTENT, self._content())
        asked = query("kept_scores")
        params = {"day": self.day, "scorers": self.fingerprint}
        files = []
        sources = [SCORES.name] if stored else []
        if left:
            sources.append("(SELECT * EXCLUDE (place) FROM left_over)")
        for number, made in enumerate(sources):
            found = self._ask(asked.replace("{made}", made), params, content, left)
            files.append(
                write_slices(
                    self.staging.folder / f"kept-{number}.parquet",
                    pa.schema([("place", pa.int64()), *self.schema]),
                    may_stay(
                        self._noting(found), self.schema, self.corpus.fingerprint, self.budget
                    ),
                )
            )
        return files[0] if len(files) == 1 else self._united(files)

    def _noting(self, made: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """What passes by, after noting how its rows were drawn."""
        for table in made:
            if self.budget is not None and "is_drawn" in table.column_names:
                drawn = table.filter(same_budget(table, self.budget))
                self._draws.append(drawn.select(["place", "probability", "is_drawn"]))
            yield table

    def _united(self, files: list[Path]) -> Path:
        """Files of places as one, in their order."""

        def merged() -> Iterator[pa.Table]:
            cursors = [Cursor(read_slices(path, _SLICE)) for path in files]
            for end in range(_SLICE, self.rows + _SLICE, _SLICE):
                parts = [part for one in cursors if (part := one.until(end)) is not None]
                if parts:
                    yield pa.concat_tables(parts).sort_by("place")

        schema = pa.schema([("place", pa.int64()), *self.schema])
        return write_slices(self.staging.folder / "kept.parquet", schema, merged())

    def _content(self) -> Iterator[pa.Table]:
        for start, rows, turns in self._slices():
            places = pa.array(np.arange(start, start + rows.num_rows))
            content = content_fingerprints(rows, Turns(turns))
            yield pa.table([places, rows["interaction_id"], pa.array(content)], schema=_CONTENT)

    def _ask(
        self, asked: str, params: dict[str, Any], rows: Path, left: list[Path] | None = None
    ) -> Iterator[pa.Table]:
        files = {"day_rows": [rows], **({"left_over": left} if left else {})}
        return self.lake.stream(asked, params, files, self.staging.spill, _SLICE)


def _with_turns(rows: pa.Table, turns: pa.Table, start: int) -> pa.Table:
    """Rows as shards hold them: with their places, turns and fingerprints."""
    near: list[dict[str, Any] | None] = [None] * rows.num_rows
    for turn in turns.to_pylist():
        near[turn.pop("place") - start] = turn
    places = np.arange(start, start + rows.num_rows)
    return (
        rows.select([column.name for column in INTERACTIONS.columns])
        .append_column("place", pa.array(places))
        .append_column("turn", pa.array(near, TURN))
        .append_column("content", pa.array(content_fingerprints(rows, Turns(turns))))
    )
