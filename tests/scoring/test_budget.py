"""A day scored under a budget: which rows the models read, what the others say, and that it stays so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from evalkit.config import EncoderSettings, EngineSettings, ScoringSettings, Settings
from evalkit.encoders import open_embedder
from evalkit.lake import Lake
from evalkit.schema import SCORES, SCORES_OF_A_BUDGET
from evalkit.scoring import Scored, score
from tests.scoring.rows import PRICES
from tests.scoring.test_keeping import DAY, row, store

NEW = [column.name for column in SCORES_OF_A_BUDGET]


def day(n: int, day_: int = 0) -> dict[int, Any]:
    """Rows with texts of their own, so that each costs something."""
    rows = {}
    for i in range(n):
        one = row(i, day_, 7 * i, (i % 5, i % 4), [i % 4], (None, "s", "t")[i % 3])
        rows[i] = {**one, "query": f"{one['query']} That is for case number {i}."}
    return rows


def of(base: Path, budget: str, rate: float | None = 10.0, **scoring: Any) -> Settings:
    return Settings(
        base=base,
        scoring=ScoringSettings(batch_rows=7, budget=budget, tokens_per_second=rate, **scoring),
        encoder=EncoderSettings(threads=1),
        engine=EngineSettings(shard_rows=16),
    )


def run(base: Path, lake: Lake, budget: str, rate: float | None = 10.0, **more: Any) -> Scored:
    settings = of(base, budget, rate)
    with open_embedder(settings) as embedder:
        return score(settings, lake, DAY, embedder, PRICES, **more)


def scores(lake: Lake) -> pa.Table:
    return lake.read(SCORES, DAY, DAY)


def test_rows_beyond_the_budget_say_so(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    store(lake, day(60))
    done = run(tmp_path, lake, "40s")
    found = scores(lake).to_pylist()
    assert done.spent is not None
    print(done, done.spent)
    drawn = [one for one in found if one["is_drawn"]]
    assert 0 < len(drawn) < len(found) == 60
    assert done.spent.drawn == len(drawn)
    for one in found:
        assert 0 < one["probability"] <= 1
        assert one["budget"] == "40 s"
        assert one["latency_ms__status"] == "ok"
        if not one["is_drawn"]:
            assert one["groundedness"] is None
            assert one["groundedness__status"] in {"over_budget", "not_applicable", "abstained"}
    again = run(tmp_path, lake, "40s")
    assert again.kept == 60
    assert lake.version(SCORES) == 0
