"""docs/extending.md is true: its scorer works from one file, without touching another."""

from __future__ import annotations

import datetime as dt
import importlib
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

import evalkit.scoring.scorers
from evalkit import prices
from evalkit.config import EncoderSettings, ScoringSettings, Settings
from evalkit.encoders import open_embedder
from evalkit.frames import interactions_from
from evalkit.lake import Lake
from evalkit.rollup import rollup
from evalkit.schema import INTERACTIONS
from evalkit.scoring import metrics, score

ROOT = Path(__file__).parents[1]
DAY = dt.date(2026, 11, 22)


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The documented scorer as one more file among the scorers."""
    block = re.search(
        r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text("utf-8"), re.DOTALL
    )
    assert block is not None
    (tmp_path / "exclamations.py").write_text(block[1], "utf-8")
    monkeypatch.setattr(
        evalkit.scoring.scorers, "__path__", [*evalkit.scoring.scorers.__path__, str(tmp_path)]
    )
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("evalkit.scoring.scorers.exclamations", None)


def test_a_scorer_is_one_file(trial: Path) -> None:
    settings = Settings(
        base=trial,
        scoring=ScoringSettings(include=["exclamations"]),
        encoder=EncoderSettings(cache=str(trial / "cache.sqlite")),
    )
    lake = Lake(str(trial / "lake"))
    frame = pd.DataFrame({"query": ["a", "b", "c"], "response": ["Done!", "Done.", None]})
    rows = interactions_from(frame)
    rows = rows.set_column(0, "day", [[DAY] * 3]).cast(INTERACTIONS.schema)
    lake.replace(INTERACTIONS, DAY, rows)
    with open_embedder(settings) as embedder:
        score(settings, lake, DAY, embedder, prices.load(None))
    rollup(settings, lake, DAY, metrics(settings))
    found = lake.sql(
        "SELECT n, n_eligible, n_scored, mean FROM daily WHERE metric = 'exclaims' AND segment = 'all'"
    )
    assert found.to_pylist() == [{"n": 3, "n_eligible": 2, "n_scored": 2, "mean": 0.5}]
