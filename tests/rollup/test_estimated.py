"""The figures of a day that was scored under a budget: those of all rows, from the rows that were drawn."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from evalkit.config import RollupSettings, Settings
from evalkit.detection.series import by_key
from evalkit.lake import Lake, ledger
from evalkit.metrics import Metric
from evalkit.queries import query
from evalkit.rollup import rollup
from evalkit.schema import DAILY, INTERACTIONS, SCORES, scores_schema
from evalkit.stats.sampling import proportional, systematic
from evalkit.verdict import judge

DAY = date(2026, 3, 2)
METRICS = {
    m.name: m
    for m in (
        Metric("groundedness", "score", "lower", "", headline=True),
        Metric("latency_ms", "ms", "higher", ""),
    )
}
N = 600


class Traffic:
    """Rows of which two routes differ, and a cheap value that knows something of the score."""

    def __init__(self) -> None:
        rng = np.random.default_rng(2)
        self.route = np.where(rng.uniform(size=N) < 0.25, "/a", "/b")
        self.cheap = rng.beta(3, 2, N)
        self.score = np.clip(
            self.cheap + 0.1 * rng.normal(size=N) - 0.2 * (self.route == "/a"), 0, 1
        )
        sizes = 1.5 - self.cheap
        self.probability = proportional(sizes, 0.3 * N / sizes.sum())

    def fill(self, lake: Lake, seed: int | None) -> None:
        """A day in which rows are drawn by the seed; None: all are scored."""
        rng = np.random.default_rng(seed or 0)
        drawn = systematic(self.probability, rng.permutation(N), rng.uniform())
        drawn = np.ones(N, np.bool_) if seed is None else drawn
        rows = [
            {"day": DAY, "interaction_id": f"i{k:04}", "route": self.route[k], "status": "ok"}
            for k in range(N)
        ]
        scored = [self._row(k, bool(drawn[k]), seed is not None) for k in range(N)]
        schema = scores_schema([(m, "") for m in METRICS], under_budget=seed is not None)
        lake.replace(INTERACTIONS, DAY, pa.Table.from_pylist(rows, INTERACTIONS.schema))
        lake.replace(SCORES, DAY, pa.Table.from_pylist(scored, schema))
        spent = {"metrics": "groundedness", "work": "100", "read": "30"}
        ledger.record_spent(lake, DAY, None if seed is None else spent)

    def _row(self, k: int, is_drawn: bool, under_budget: bool) -> dict[str, Any]:
        row: dict[str, Any] = {
            "day": DAY,
            "interaction_id": f"i{k:04}",
            "groundedness": round(float(self.score[k]), 6) if is_drawn else None,
            "groundedness__status": "ok" if is_drawn else "over_budget",
            "latency_ms": 100.0 + k,
            "latency_ms__status": "ok",
        }
        if under_budget:
            row |= {
                "budget": "60 s",
                "probability": float(self.probability[k]),
                "is_drawn": is_drawn,
                "cheap": [("groundedness", round(float(self.cheap[k]), 6))],
            }
        return row


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lake]:
    """The same traffic scored whole, and under a budget."""
    found = {}
    for name, seed in (("whole", None), ("budget", 7)):
        lake = found[name] = Lake(str(tmp_path_factory.mktemp(name) / "lake"))
        Traffic().fill(lake, seed)
        rollup(settings(), lake, DAY, METRICS)
    return found


def settings() -> Settings:
    return Settings(rollup=RollupSettings(segments=["route"]))


def daily(lake: Lake) -> dict[tuple[str, str], dict[str, Any]]:
    rows = lake.read(DAILY, DAY, DAY).to_pylist()
    return {(row["metric"], row["value_of_segment"]): row for row in rows}


@pytest.mark.parametrize("value", ["all", "/a", "/b"])
def test_figures_are_those_of_all_rows(lakes: dict[str, Lake], value: str) -> None:
    whole, found = (daily(lakes[name])["groundedness", value] for name in ("whole", "budget"))
    assert found["lower"] <= whole["mean"] <= found["upper"]
    assert found["upper"] - found["lower"] > whole["upper"] - whole["lower"]
    assert found["n_scored"] < whole["n_scored"] == found["n_represented"] == found["n_eligible"]
    assert found["n_scored"] < found["n_effective"] < found["n_represented"] or value != "all"
    assert found["total"] == pytest.approx(found["mean"] * found["n_represented"])
    assert found["p50"] == pytest.approx(whole["p50"], abs=0.08)
    assert found["variance"] == pytest.approx(whole["variance"], rel=0.3)
    held = sum(cell["count"] for cell in found["histogram"])
    assert held == pytest.approx(whole["n_scored"], rel=0.02)


def test_what_needs_no_model_is_as_ever(lakes: dict[str, Lake]) -> None:
    for value in ("all", "/a", "/b"):
        whole, found = (daily(lakes[name])["latency_ms", value] for name in ("whole", "budget"))
        assert found == whole
        assert found["n_represented"] is None


def test_a_plain_mean_of_the_drawn_rows_would_be_wrong(lakes: dict[str, Lake]) -> None:
    """Rows with low values were likelier to be drawn."""
    stored = lakes["budget"].read(SCORES, DAY, DAY)["groundedness"].drop_null().to_numpy()
    whole, found = (daily(lakes[name])["groundedness", "all"] for name in ("whole", "budget"))
    assert abs(stored.mean() - whole["mean"]) > 3 * abs(found["mean"] - whole["mean"])


def test_over_many_draws_every_figure_is_within_its_interval(tmp_path: Path) -> None:
    traffic, lake = Traffic(), Lake(str(tmp_path / "lake"))
    inside = []
    for seed in range(1, 13):
        traffic.fill(lake, seed)
        rollup(settings(), lake, DAY, METRICS)
        rows = daily(lake)
        for value in ("all", "/a", "/b"):
            mine = traffic.score[(traffic.route == value) | (value == "all")]
            row = rows["groundedness", value]
            inside.append(row["lower"] <= mine.mean() <= row["upper"])
    assert sum(inside) >= 34  # of 36


def test_two_runs_give_the_same_table(lakes: dict[str, Lake]) -> None:
    before = lakes["budget"].version(DAILY)
    rollup(settings(), lakes["budget"], DAY, METRICS)
    assert lakes["budget"].version(DAILY) == before


def test_a_night_within_its_budget_is_not_short_of_coverage(lakes: dict[str, Lake]) -> None:
    summary = judge(settings(), lakes["budget"], DAY)
    assert summary.coverage["groundedness"] == 1.0
    assert not [reason for reason in summary.reasons if "score" in reason]
    assert summary.budget is not None
    assert "30% of the work" in summary.budget
    assert judge(settings(), lakes["whole"], DAY).budget is None
    params = {"metric": "groundedness", "segment": "all", "start": DAY, "end": DAY}
    (row,) = lakes["budget"].sql(query("trend"), params).to_pylist()
    assert row["coverage"] == 1.0


def test_without_a_budget_coverage_is_what_has_a_value(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    Traffic().fill(lake, None)
    stored = lake.read(SCORES, DAY, DAY).to_pylist()
    for row in stored[: N // 2]:
        row |= {"groundedness": None, "groundedness__status": "error"}
    schema = scores_schema([(m, "") for m in METRICS])
    rows = [{name: row[name] for name in schema.names} for row in stored]
    lake.replace(SCORES, DAY, pa.Table.from_pylist(rows, schema))
    rollup(settings(), lake, DAY, METRICS)
    params = {"metric": "groundedness", "segment": "all", "start": DAY, "end": DAY}
    (row,) = lake.sql(query("trend"), params).to_pylist()
    assert row["coverage"] == 0.5
    assert judge(settings(), lake, DAY).coverage["groundedness"] == 0.5


def test_detection_counts_a_night_as_the_rows_that_would_tell_as_much(
    lakes: dict[str, Lake],
) -> None:
    for name, column in (("whole", "n_scored"), ("budget", "n_effective")):
        rows = lakes[name].read(DAILY, DAY, DAY)
        series = by_key(rows, {"groundedness": "unit"})["groundedness", "all", "all"]
        assert series.n.tolist() == [daily(lakes[name])["groundedness", "all"][column]]


def test_without_money_there_is_no_figure_and_no_alarm(tmp_path: Path) -> None:
    """Rows that cost nothing were read; they are not like the others, which never could be."""
    traffic, lake = Traffic(), Lake(str(tmp_path / "lake"))
    traffic.fill(lake, 3)
    stored = lake.read(SCORES, DAY, DAY).to_pylist()
    for row in stored:
        row["probability"] = 1.0 if row["is_drawn"] else None
    schema = scores_schema([(m, "") for m in METRICS], under_budget=True)
    rows = [{name: row[name] for name in schema.names} for row in stored]
    lake.replace(SCORES, DAY, pa.Table.from_pylist(rows, schema))
    rollup(settings(), lake, DAY, METRICS)
    row = daily(lake)["groundedness", "all"]
    assert (row["mean"], row["p50"], row["histogram"], row["n_represented"]) == (None, None, [], 0)
    assert row["n_scored"] > 0
    summary = judge(settings(), lake, DAY)
    assert summary.coverage["groundedness"] is None
    assert not [reason for reason in summary.reasons if "score" in reason]
    assert summary.budget is not None
    assert "for no model" in summary.budget
