"""Questions about many nights: trends, rollup, detection and report over millions of score rows that were never scored,
each in a process of its own."""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.measure import Row, by_itself, cpu_seconds

ROWS = 10_000_000
#: Rows of a day.
PER_DAY = 100_000
_LAST = date(2026, 11, 22)
#: Metrics that have values; all others of `scores` are not there.
_METRICS = (
    "groundedness", "hallucination", "answer_relevance", "context_relevance", "abstention",
    "latency_ms", "tokens_input", "cost_usd",
)  # fmt: skip
_SLICE = 16_384
#: What is asked, by the name that the table gives it.
_ASKED = ("trend", "trend by route", "sql over scores", "rollup", "detect", "report")


def measure(rows: int = ROWS, per_day: int = PER_DAY) -> Iterator[Row]:
    """A lake of `rows` scores, `per_day` a day, and what each question takes."""
    days = max(1, rows // per_day)
    size = f"{days * per_day:,} rows in {days} days"
    with tempfile.TemporaryDirectory(prefix="evalkit-trends-") as name:
        made = by_itself("trends", name, "make", days, per_day)
        yield Row("lake made", made["seconds"], "s", size)
        rolled = by_itself("trends", name, "roll up all", days, per_day)
        yield Row("rollup of all days", days * per_day / rolled["seconds"], "rows/s", size)
        for asked in _ASKED:
            found = by_itself("trends", name, asked, days, per_day)
            yield Row(asked, found["seconds"], "s", f"{found['cpu']:.2f} s of processors")
            yield Row(f"{asked}: peak memory", found["process_mib"], "MiB")


def make(url: str, days: int, per_day: int) -> None:
    """Days of interactions without texts, and scores of them; the same for the same arguments."""
    from evalkit.lake import Lake

    lake = Lake(url)
    for k in range(days):
        _day(lake, _LAST - timedelta(days=days - 1 - k), per_day, Path(url).parent)


def _day(lake: Any, day: date, n: int, folder: Path) -> None:
    from evalkit.lake.slices import write_slices
    from evalkit.schema import INTERACTIONS, SCORES, scores_schema

    chance = np.random.default_rng(day.toordinal())
    about = scores_schema((name, name) for name in _METRICS)
    head = np.char.add(f"{day:%m%d}", np.arange(n).astype(str))
    ids = pa.array(np.char.add(head, "0123456789abcdef0123"))
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    known = {
        "day": pa.array([day], pa.date32()).take(pa.array(np.zeros(n, np.int64))),
        "interaction_id": ids,
        "source": _repeated(["log"], n),
        "started_at": pa.array(
            np.datetime64(start.replace(tzinfo=None), "us")
            + (np.arange(n) * 86_000_000_000 // n).astype("timedelta64[us]")
        ).cast(pa.timestamp("us", "UTC")),
        "app": _repeated(["helpdesk"], n),
        "route": _repeated(["/kb", "/ask", "/orders", "/billing"], n),
        "model": _repeated(["gpt-4o-mini", "gpt-4o", "claude-3-5-haiku"], n),
        "prompt_version": _repeated(["3", "4"], n),
        "provider": _repeated(["openai", "anthropic"], n),
        "status": _repeated(["ok"], n),
    }
    interactions = pa.table(
        {
            column.name: known[column.name] if column.name in known else pa.nulls(n, column.type)
            for column in INTERACTIONS.columns
        }
    )
    scores: dict[str, pa.Array] = {
        **{name: known[name] for name in ("day", "interaction_id")},
        "scorer_fingerprint": _repeated(["made-for-a-benchmark"], n),
    }
    for name in _METRICS:
        values = np.round(chance.beta(8, 2, n) * _scale(name), 6)
        values = np.round(values) if name == "abstention" else values
        gone = chance.random(n) < 0.1
        scores[name] = pa.array(values, mask=gone)
        scores[f"{name}__status"] = pa.array(np.array(["ok", "not_applicable"])[gone.astype(int)])
    table = pa.table(
        {f.name: scores[f.name] if f.name in scores else pa.nulls(n, f.type) for f in about}
    )
    for where, rows in ((INTERACTIONS, interactions), (SCORES, table)):
        parts = (rows.slice(i, _SLICE) for i in range(0, n, _SLICE))
        file = write_slices(folder / f"{where.name}.parquet", rows.schema, parts)
        lake.adopt(where, day, file)
        file.unlink()


def _repeated(values: list[str], n: int) -> pa.Array:
    return pa.array(values).take(pa.array(np.arange(n) % len(values)))


def _scale(name: str) -> float:
    return {"latency_ms": 2_000.0, "tokens_input": 3_000.0, "cost_usd": 0.01}.get(name, 1.0)


def _ask(folder: Path, asked: str, days: int, per_day: int) -> None:
    """One question, as a command would ask it: the lake is opened for it."""
    import evalkit
    from evalkit import night
    from evalkit.config import Settings
    from evalkit.lake import Lake
    from evalkit.rollup import rollup
    from evalkit.scoring import metrics

    settings = Settings(base=folder)
    url = settings.lake_url
    if asked == "make":
        make(url, days, per_day)
    elif asked == "roll up all":
        for k in range(days):
            rollup(settings, Lake(url), _LAST - timedelta(days=k), metrics(settings))
    elif asked.startswith("trend"):
        by = "route" if asked.endswith("route") else "all"
        found = evalkit.open(url).trend("groundedness", by, days)
        assert len(found) == days * (4 if by == "route" else 1)
    elif asked == "sql over scores":
        query = "SELECT day, avg(groundedness) AS mean FROM scores GROUP BY day ORDER BY day"
        assert len(evalkit.open(url).sql(query)) == days
    else:
        night.step(asked, settings, _LAST, lambda day, step, what: None)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="One question, measured for `python -m benchmarks trends`."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("asked", choices=("make", "roll up all", *_ASKED))
    parser.add_argument("days", type=int)
    parser.add_argument("per_day", type=int)
    given = parser.parse_args(argv)
    # What is imported for the first question is imported for every one: it is not what is measured.
    importlib.import_module("evalkit.night")

    began, used = time.perf_counter(), cpu_seconds()
    _ask(given.folder, given.asked, given.days, given.per_day)
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - used}))


if __name__ == "__main__":
    main()
