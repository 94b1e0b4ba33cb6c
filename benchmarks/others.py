"""The same questions to Evidently and Ragas, each in an environment of its own (`make others`), and to
evalkit: drift of eight columns, the page about it, and recall by known ids."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.measure import Row
from evalkit.metrics import Metric
from evalkit.rollup.aggregate import figures, grouping, prepare
from evalkit.scoring.scorers.retrieval_ranking import ranking_measures

ROOT = Path(__file__).parents[1]
ROWS, COLUMNS, RANKED, WANTED = 100_000, 8, 5, 3
#: The first column moves by this much, the others do not.
SHIFT = 0.05


def measure() -> Iterator[Row]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        yield from _drift(folder)
        yield from _recall(folder)


def _drift(folder: Path) -> Iterator[Row]:
    random = np.random.default_rng(0)
    days = [random.beta(4, 2, (COLUMNS, ROWS)) for _ in range(2)]
    days[1][0] = np.minimum(days[1][0] + SHIFT, 1.0)
    files = [folder / "reference.parquet", folder / "current.parquet"]
    for path, day in zip(files, days, strict=True):
        pq.write_table(pa.table({f"column_{k}": day[k] for k in range(COLUMNS)}), path)
    began = time.perf_counter()
    moved = _moved(days)
    ours = time.perf_counter() - began
    yield Row(
        f"evalkit: drift of {COLUMNS} columns, {ROWS:,} + {ROWS:,} rows",
        ours,
        "s",
        f"histograms, quantiles, intervals; {moved} moved",
    )
    page = folder / "page.html"
    theirs = _elsewhere("evidently", "drift_evidently.py", [*map(str, files), str(page)])
    if theirs is None:
        yield Row("Evidently", float("nan"), "s", "not installed: make others")
        return
    yield Row(
        f"Evidently {theirs['version']}: the same",
        theirs["seconds"],
        "s",
        f"{theirs['seconds'] / ours:.0f} x evalkit's time; {theirs['drifted']:.0f} drifted",
    )
    yield Row("Evidently: its page", theirs["page_bytes"] / 1e6, "MB", "evalkit's stays below 2 MB")


def _moved(days: Sequence[NDArray[np.float64]]) -> int:
    """Columns whose means' 95 % intervals do not touch, by what a night's roll-up makes of each."""
    everyone = grouping("all", np.zeros(ROWS, np.uint8), ["all"], 1)
    metric = Metric("column", "score", "lower", "a column")
    rows = np.ones(ROWS, np.bool_)
    moved = 0
    for k in range(COLUMNS):
        before, after = (figures(prepare(metric, day[k], rows), everyone).floats for day in days)
        moved += bool(
            after["lower"][0] > before["upper"][0] or after["upper"][0] < before["lower"][0]
        )
    return moved


def _recall(folder: Path) -> Iterator[Row]:
    random, n = np.random.default_rng(0), 5_000
    draw = [random.permutation(40) for _ in range(2 * n)]
    retrieved = [[f"d{i}" for i in one[:RANKED]] for one in draw[:n]]
    relevant = [[f"d{i}" for i in one[:WANTED]] for one in draw[n:]]
    path = folder / "rows.parquet"
    pq.write_table(pa.table({"retrieved": retrieved, "relevant": relevant}), path)
    began = time.perf_counter()
    found = ranking_measures(retrieved, relevant)
    ours = time.perf_counter() - began
    mean = float(np.mean([one["retrieval_recall"] for one in found]))
    yield Row(
        "evalkit: hit, recall, MRR and nDCG by ids", n / ours, "rows/s", f"mean recall {mean:.4f}"
    )
    theirs = _elsewhere("ragas", "recall_ragas.py", [str(path)])
    if theirs is None:
        yield Row("Ragas", float("nan"), "rows/s", "not installed: make others")
        return
    yield Row(
        f"Ragas {theirs['version']}: recall by ids",
        n / theirs["seconds"],
        "rows/s",
        f"{theirs['seconds'] / ours:.1f} x evalkit's time; mean recall {theirs['mean']:.4f}",
    )


def _elsewhere(environment: str, script: str, given: Sequence[str]) -> dict[str, Any] | None:
    """What a script of `elsewhere/` prints in its environment; None where that is not there."""
    python = ROOT / ".others" / environment / "bin" / "python"
    if not python.exists():
        return None
    done = subprocess.run(
        [str(python), str(Path(__file__).parent / "elsewhere" / script), *given],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "DO_NOT_TRACK": "1", "RAGAS_DO_NOT_TRACK": "true"},
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
