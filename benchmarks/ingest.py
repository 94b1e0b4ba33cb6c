"""Ingest of canonical rows against pyarrow's own reading of the same file."""

from __future__ import annotations

import datetime as dt
import json
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pyarrow import json as arrow_json

from benchmarks.measure import Row, best_of
from evalkit.config import Settings, SourceSettings
from evalkit.ingest import ingest
from evalkit.lake import Lake

ROWS = 100_000
DAY = dt.date(2026, 11, 22)


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for i in range(ROWS):
                row = {
                    "source_id": f"r-{i}",
                    "started_at": f"2026-11-22T{i % 24:02}:{i % 60:02}:00Z",
                    "route": "/ask",
                    "model": "gpt-4o-mini",
                    "query": f"What is the refund window of plan {i}?",
                    "response": f"Plan {i} can be refunded within {i % 60} days of purchase.",
                    "contexts": [
                        {"id": f"kb-{i % 500}", "text": "Refunds are made within 30 days. " * 6}
                    ],
                    "tokens_input": 412,
                    "tokens_output": 14,
                    "latency_ms": 900.5,
                }
                file.write(json.dumps(row) + "\n")
        baseline = best_of(2, lambda: arrow_json.read_json(path))
        settings = Settings(
            base=folder, sources={"log": SourceSettings(format="jsonl", path="rows.jsonl")}
        )
        lake = Lake(str(folder / "lake"))
        seconds = best_of(1, lambda: ingest(settings, lake, [DAY]))
    size = f"{ROWS:,} rows"
    yield Row("pyarrow.json.read_json", ROWS / baseline, "rows/s", f"the baseline, {size}")
    yield Row("ingest, from file to committed tables", baseline / seconds, "x baseline", size)
    yield Row("ingest", ROWS / seconds, "rows/s", size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Row("peak memory of this process so far", peak, "MiB")
