"""Puts a day together again: the scores that stayed and those that were made, in the order of the
day's rows, as one file; and counts what is in it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from evalkit.config import Settings, day_bounds
from evalkit.errors import EngineError
from evalkit.lake.slices import write_slices
from evalkit.schema import INTERACTIONS
from evalkit.scoring.planning import DayPlan

__all__ = ["Assembly"]

_HOUR = timedelta(hours=1)
_SLICE = 4_096


class Assembly:
    """One day's scores.

    Args:
        plan: all of its shards are done.
        settings: says when the day begins.

    Attributes:
        valued: per metric, how many rows have a value.
        hours: per source and hour, how many interactions have at least one score.
    """

    def __init__(self, plan: DayPlan, settings: Settings) -> None:
        self.valued: Counter[str] = Counter()
        self.hours: Counter[tuple[str, datetime]] = Counter()
        self._plan = plan
        self._start = _start(plan.day, settings)
        self._metrics = [
            name.removesuffix("__status") for name in plan.schema.names if name.endswith("__status")
        ]

    def write(self) -> Path:
        """The day's scores as a file."""
        path = self._plan.staging.folder / "scores.parquet"
        return write_slices(path, self._plan.schema, self._slices())

    def _slices(self) -> Iterator[pa.Table]:
        plan, end = self._plan, 0
        kept, made = plan.kept_scores(), plan.made_scores()
        about = ["source", "started_at"]
        for rows in plan.lake.batches(INTERACTIONS, plan.day, _SLICE, about):
            end += rows.num_rows
            parts = [part for one in (kept, made) if (part := one.until(end)) is not None]
            scores = pa.concat_tables(parts).sort_by("place") if parts else None
            if scores is None or scores.num_rows != rows.num_rows:
                raise EngineError(
                    f"{plan.day}: of {rows.num_rows} interactions "
                    f"{0 if scores is None else scores.num_rows} have scores. Was something "
                    f"removed in {plan.staging.folder}? Run the step again."
                )
            self._count(rows, scores)
            yield scores

    def _count(self, rows: pa.Table, scores: pa.Table) -> None:
        for name in self._metrics:
            self.valued[name] += scores.num_rows - scores[name].null_count
        valued = [pc.equal(scores[f"{name}__status"], "ok") for name in self._metrics]
        has = functools.reduce(pc.or_kleene, valued).to_pylist()
        pairs = zip(rows["source"].to_pylist(), rows["started_at"].to_pylist(), has, strict=True)
        self.hours.update(
            (source, self._start + (at - self._start) // _HOUR * _HOUR)
            for source, at, is_scored in pairs
            if is_scored and source is not None and at is not None
        )


def _start(day: date, settings: Settings) -> datetime:
    return day_bounds(day, settings.zone)[0]
