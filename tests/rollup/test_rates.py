"""Rates beside the figures of a day: which window, whose labels, and what is said without them."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from evalkit.config import LabelsSettings, RollupSettings, Settings
from evalkit.lake import Lake, ledger
from evalkit.metrics import Metric
from evalkit.rollup import rollup
from evalkit.schema import DAILY, INTERACTIONS, LABELS, SCORES, scores_schema

DAY = date(2026, 3, 2)
METRICS = {
    "hallucination": Metric("hallucination", "probability", "higher", ""),
    "latency_ms": Metric("latency_ms", "ms", "higher", ""),
}
SHEET = {"id": "s1", "start": DAY - timedelta(days=9), "end": DAY, "asked": 40, "after": []}


def settings(days: int = 10, least: int = 30) -> Settings:
    return Settings(
        rollup=RollupSettings(segments=["route"]),
        labels=LabelsSettings(rate_days=days, rate_least=least),
    )


def fill(lake: Lake, day: date, n: int = 100) -> None:
    """Every tenth answer of a day is wrong and scored as such; /ask is asked nine times of ten."""
    ids = [f"{day}-{i:03d}" for i in range(n)]
    rows = [
        {
            "day": day,
            "interaction_id": name,
            "route": None if i == 5 else "/chat" if i % 10 == 1 else "/ask",
        }
        for i, name in enumerate(ids)
    ]
    scored = [
        {
            "day": day,
            "interaction_id": name,
            "hallucination": 0.9 if i % 10 == 0 else 0.1,
            "hallucination__status": "ok",
            "latency_ms": 100.0,
            "latency_ms__status": "ok",
        }
        for i, name in enumerate(ids)
    ]
    lake.replace(INTERACTIONS, day, pa.Table.from_pylist(rows, schema=INTERACTIONS.schema))
    lake.replace(
        SCORES,
        day,
        pa.Table.from_pylist(scored, schema=scores_schema([(m, "") for m in METRICS])),
    )


def label(lake: Lake, day: date, places: range, origin: str, **columns) -> None:
    rows = [
        {
            "day": day,
            "origin": origin,
            "interaction_id": f"{day}-{i:03d}",
            "metric": "hallucination",
            "value": float(i % 10 == 0),
            "by": "ann",
            **columns,
        }
        for i in places
    ]
    lake.replace(
        LABELS, day, pa.Table.from_pylist(rows, schema=LABELS.schema), part={"origin": origin}
    )


def figures(lake: Lake, **changed) -> dict[tuple[str, str], dict]:
    rollup(settings(**changed), lake, DAY, METRICS)
    return {
        (row["metric"], row["value_of_segment"]): row for row in lake.read(DAILY, DAY).to_pylist()
    }


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    for back in range(3):
        fill(lake, DAY - timedelta(days=back))
    return lake


def test_without_labels_there_is_no_rate(lake: Lake) -> None:
    row = figures(lake)["hallucination", "all"]
    names = ("rate", "rate_lower", "rate_upper", "n_labels", "rate_from", "rate_basis")
    assert [row[name] for name in names] == [None] * 6


def test_few_labels_are_counted_and_give_no_rate(lake: Lake) -> None:
    label(lake, DAY, range(12), "traffic")
    row = figures(lake)["hallucination", "all"]
    assert (row["rate"], row["n_labels"], row["rate_basis"]) == (None, 12, "given")


def test_labels_of_the_window_give_its_rate(lake: Lake) -> None:
    label(lake, DAY - timedelta(days=1), range(0, 100, 2), "traffic")  # every fifth of them wrong
    row = figures(lake)["hallucination", "all"]
    # The score tells who is wrong, so the rate is that of the traffic and not that of the labels.
    assert row["rate"] == pytest.approx(0.1, abs=0.03)
    assert row["rate_lower"] < 0.1 < row["rate_upper"]
    assert (row["n_labels"], row["rate_from"]) == (50, DAY - timedelta(days=2))


def test_older_labels_are_out_of_the_window(lake: Lake) -> None:
    label(lake, DAY - timedelta(days=2), range(50), "traffic")
    assert figures(lake, days=2)["hallucination", "all"]["n_labels"] is None
    assert figures(lake, days=3)["hallucination", "all"]["n_labels"] == 50


def test_drawn_rows_are_preferred_to_given_ones(lake: Lake) -> None:
    label(lake, DAY, range(60), "sheet", probability=0.4, sheet={**SHEET, "asked": 60})
    row = figures(lake)["hallucination", "all"]
    assert (row["rate_basis"], row["n_labels"]) == ("drawn", 60)


def test_each_segment_has_the_rate_of_its_own_labels(lake: Lake) -> None:
    label(lake, DAY, range(100), "traffic")
    found = figures(lake, least=10)
    assert found["hallucination", "/ask"]["n_labels"] == 89
    assert found["hallucination", "/chat"]["n_labels"] == 10
    assert found["hallucination", "/chat"]["rate"] == 0.0
    assert found["hallucination", "(none)"]["n_labels"] == 1
    assert found["hallucination", "(none)"]["rate"] is None


def test_metrics_without_a_verdict_have_no_rate(lake: Lake) -> None:
    label(lake, DAY, range(100), "traffic", metric="latency_ms")
    assert figures(lake)["latency_ms", "all"]["n_labels"] is None


def test_a_budget_that_drew_wrong_answers_does_not_make_more_of_them(lake: Lake) -> None:
    """Rows that look wrong were all scored, and a quarter of the others; verdicts there are on scored
    ones alone, whether they were drawn or came with the logs."""
    for back in range(3):
        day = DAY - timedelta(days=back)
        scored = lake.read(SCORES, day, day).to_pylist()
        for i, row in enumerate(scored):
            looks_wrong = i % 10 == 0
            row |= {"budget": "60 s", "probability": 1.0 if looks_wrong else 0.25}
            row["is_drawn"] = looks_wrong or i % 4 == 1
            if not row["is_drawn"]:
                row |= {"hallucination": None, "hallucination__status": "over_budget"}
        schema = scores_schema([(m, "") for m in METRICS], under_budget=True)
        rows = [{name: row[name] for name in schema.names} for row in scored]
        lake.replace(SCORES, day, pa.Table.from_pylist(rows, schema=schema))
        ledger.record_spent(lake, day, {"metrics": "hallucination"})
        label(lake, day, range(100), "traffic")
    given = figures(lake, days=3)["hallucination", "all"]
    assert given["rate_basis"] == "given"
    assert given["rate"] == pytest.approx(0.1, abs=0.015)
    for back in range(3):
        day = DAY - timedelta(days=back)
        verdicts = lake.read(LABELS, day, day).to_pylist()
        for row in verdicts:
            wrong = row["interaction_id"].endswith("0")
            row |= {"origin": "sheet", "sheet": SHEET, "probability": 0.4 * (1 if wrong else 0.25)}
        made = pa.Table.from_pylist(verdicts, schema=LABELS.schema)
        lake.replace(LABELS, day, made, part={"origin": "sheet"})
    drawn = figures(lake, days=3)["hallucination", "all"]
    assert drawn["rate_basis"] == "drawn"
    assert drawn["rate"] == pytest.approx(0.1, abs=0.015)
