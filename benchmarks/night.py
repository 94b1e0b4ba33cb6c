"""A night of the sample, step by step, with an empty and with a warm embedding cache."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, best_of
from evalkit import night
from evalkit.config import Settings, SourceSettings
from evalkit.ingest import ingest
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS
from evalkit.starter import sample_folder

DAY = dt.date(2026, 11, 20)


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        logs = str(sample_folder() / "logs")
        settings = Settings(
            base=Path(name), sources={"log": SourceSettings(format="openai_log", path=logs)}
        )
        lake = Lake(settings.lake_url)
        ingest(settings, lake, [DAY])
        rows = lake.count(INTERACTIONS, DAY)
        for state in ("empty", "warm"):
            for step in ("score", "rollup", "detect", "report"):
                seconds = best_of(1, lambda: night.step(step, settings, DAY, _quiet))  # noqa: B023
                yield Row(
                    f"{step}, {state} cache",
                    rows / seconds,
                    "interactions/s",
                    f"{rows} interactions",
                )


def _quiet(day: dt.date, step: str, what: str) -> None:
    """Says nothing: only the time counts."""
