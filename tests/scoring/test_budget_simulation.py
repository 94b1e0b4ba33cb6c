"""A quarter of the work, again and again, on real scores: every headline figure is where its interval says."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from evalkit.config import EncoderSettings, ScoringSettings, Settings, load
from evalkit.encoders import Embedder, open_embedder
from evalkit.ingest import ingest
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, SCORES
from evalkit.scoring import score
from evalkit.scoring.cheap import costly
from evalkit.scoring.drawing import draw_rows
from evalkit.scoring.planning import DayPlan
from evalkit.scoring.running import Scoring
from evalkit.scoring.staging import staged
from evalkit.scoring.surveying import Surveyor
from evalkit.stats.sampling import Sample, predictions, summarise
from tests.night.sample import configured
from tests.scoring.rows import PRICES

FIRST, NIGHTS, DRAWS = date(2026, 10, 24), 4, 100
SEGMENTS = ("app", "route", "model", "prompt_version", "provider")


def traffic(base: Path) -> Lake:
    """Some nights of the sample traffic as one day."""
    several = Lake(str(base / "several"))
    days = [FIRST + timedelta(days=n) for n in range(NIGHTS)]
    list(ingest(load(configured(base)), several, days))
    rows = several.read(INTERACTIONS)
    place = rows.schema.get_field_index("day")
    rows = rows.set_column(place, "day", pa.array([FIRST] * rows.num_rows, pa.date32()))
    lake = Lake(str(base / "lake"))
    lake.replace(INTERACTIONS, FIRST, rows)
    return lake


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_quarter_of_the_work_tells_what_all_of_it_tells(
    tmp_path: Path, embedder: Embedder
) -> None:
    lake = traffic(tmp_path)
    settings = Settings(
        base=tmp_path,
        scoring=ScoringSettings(budget="60s"),
        encoder=EncoderSettings(threads=1),
    )
    whole = settings.model_copy(update={"scoring": ScoringSettings()})
    score(whole, lake, FIRST, embedder, PRICES)
    truth = lake.read(SCORES, FIRST, FIRST)
    scoring = Scoring(settings, embedder, PRICES)
    needing = costly(scoring.scorers).values()
    headline = [m.name for scorer in needing for m in scorer.metrics if m.headline]
    with (
        open_embedder(settings, cache=False) as cold,
        staged(tmp_path / "staging", FIRST) as staging,
    ):
        plan = DayPlan(
            lake.pinned(INTERACTIONS, SCORES),
            FIRST,
            staging,
            scoring.budget_schema,
            scoring.fingerprint,
            100_000,
            fresh=True,
            budget="60 s",
        )
        (shard,) = plan.shards()
        assert shard.draw is not None
        Surveyor(settings, cold, PRICES)(shard)
        survey = pq.read_table(shard.draw.survey)
        work = draw_rows([shard], scoring, SEGMENTS, {}, 1e12, "").work
        inside = [
            all(within(truth, survey, name, draw.probability, draw.is_drawn) for name in headline)
            for seed in range(DRAWS)
            for draw in [draw_rows([shard], scoring, SEGMENTS, {}, work / 4, str(seed))]
        ]
    assert len(headline) == 4
    assert sum(inside) >= 93


def within(
    truth: pa.Table,
    survey: pa.Table,
    name: str,
    probability: np.ndarray,
    is_drawn: np.ndarray,
) -> bool:
    """Whether the full result is in the interval that the drawn rows give."""
    value = truth[name].to_numpy(zero_copy_only=False).astype(np.float64)
    cheap = pc.map_lookup(survey["cheap"], name, "first").to_numpy(zero_copy_only=False)
    is_open = np.array(survey[f"{name}__status"].to_pylist()) == "over_budget"
    sample = Sample(
        np.where(is_drawn, value, np.nan),
        cheap.astype(np.float64),
        probability,
        is_drawn,
        is_open & ~is_drawn,
    )
    codes = np.zeros(len(value), np.int64)
    found = summarise(sample, predictions(sample), codes, 1, is_bounded=True)
    return bool(found.lower[0] <= np.nanmean(value) <= found.upper[0])
