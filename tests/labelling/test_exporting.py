"""Which rows a sheet asks about: every route, nothing labelled before, the same sheet for the same lake and seed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from labelled_lake import FIRST, HALLUCINATION, LAST, filled, sheet_of

from evalkit.errors import EvalkitError
from evalkit.labelling import choose, store
from evalkit.lake import Lake, ledger
from evalkit.metrics import Metric
from evalkit.schema import INTERACTIONS, SCORES, scores_schema


def test_a_sheet_has_its_rows_with_their_texts_and_probabilities(lake: Lake) -> None:
    sheet = sheet_of(lake, 20)
    assert sheet.question == "Does the answer say anything that the passages do not support?"
    assert (sheet.design.population, sheet.design.asked) == (160, 20)
    assert len({item.asked.interaction_id for item in sheet.items}) == 20
    for item in sheet.items:
        assert 0.25 * 20 / 160 <= item.asked.probability <= 1
        assert item.response == f"Answer {item.asked.interaction_id}. It has two sentences."
        assert item.value is None, "no score is shown: it would sway people"
    routes = Counter(item.route for item in sheet.items)
    assert routes["/rare"] >= 2, "8 of 160 rows, and more than their part of the sheet"
    assert set(routes) == {"/rare", "/ask", "/summary"}


def test_the_same_lake_and_seed_give_the_same_sheet(lake: Lake) -> None:
    assert sheet_of(lake, seed=1) == sheet_of(lake, seed=1)
    assert sheet_of(lake, seed=1).design.id != sheet_of(lake, seed=2).design.id


def test_what_is_labelled_is_not_asked_again(lake: Lake, tmp_path: Path) -> None:
    first = sheet_of(lake, 20)
    store(lake, [filled(first, tmp_path / "a.json", lambda k: "yes" if k < 12 else None)])
    second = sheet_of(lake, 200)
    asked = {item.asked.interaction_id for item in second.items}
    assert second.design.population == second.design.asked == 148
    assert not asked & {item.asked.interaction_id for item in first.items[:12]}
    assert second.design.after == (first.design.id,)


def test_verdicts_that_came_with_the_logs_are_not_asked_for(lake: Lake) -> None:
    from evalkit.schema import LABELS

    row = dict.fromkeys(LABELS.schema.names) | {
        "day": LAST,
        "origin": "traffic",
        "interaction_id": f"{LAST:%d}-000",
        "metric": "hallucination",
        "value": 1.0,
        "at": dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    }
    data = pa.Table.from_pylist([row], schema=LABELS.schema)
    lake.replace(LABELS, LAST, data, part={"origin": "traffic"})
    assert sheet_of(lake).design.population == 159
    assert sheet_of(lake).design.after == ()


def test_a_second_person_is_asked_about_rows_of_the_first(lake: Lake, tmp_path: Path) -> None:
    first = sheet_of(lake, 20)
    store(lake, [filled(first, tmp_path / "a.json", lambda k: "yes")])
    again = sheet_of(lake, 5, second=True, by="bob", show_score=True)
    assert again.by == "bob"
    assert again.design.population == 20
    assert {i.asked.interaction_id for i in again.items} <= {
        i.asked.interaction_id for i in first.items
    }
    assert all(item.asked.probability is None and item.value is not None for item in again.items)
    with pytest.raises(EvalkitError, match="judged by exactly one person other than ann"):
        sheet_of(lake, 5, second=True, by="ann")


def test_what_cannot_be_asked_is_explained(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(EvalkitError, match="measured in usd; a person cannot judge"):
        choose(lake, Metric("cost_usd", "usd", "higher", "cost"), FIRST, LAST)
    with pytest.raises(EvalkitError, match=r"tone: was never scored \(scores hold 2026-11-17 to"):
        choose(lake, Metric("tone", "score", "lower", "politeness"), FIRST, LAST)
    with pytest.raises(EvalkitError, match="at least one row"):
        sheet_of(lake, 0)
    with pytest.raises(EvalkitError, match="Run those nights"):
        choose(lake, HALLUCINATION, dt.date(2020, 1, 1), dt.date(2020, 1, 2))
    everything = sheet_of(lake, 200)
    store(lake, [filled(everything, tmp_path / "all.json", lambda k: "no")])
    with pytest.raises(EvalkitError, match=r"All 160 scored rows .* are labelled already"):
        sheet_of(lake)


def test_rows_without_an_answer_are_not_eligible(lake: Lake) -> None:
    rows = lake.read(INTERACTIONS, LAST, LAST).to_pylist()
    for row in rows[:10]:
        row["response"] = None
    lake.replace(INTERACTIONS, LAST, pa.Table.from_pylist(rows, schema=INTERACTIONS.schema))
    assert sheet_of(lake).design.population == 150


def test_a_row_that_a_budget_had_drawn_was_drawn_twice(lake: Lake) -> None:
    """Its probability to be asked is that of having a score, times that of being asked then."""
    plain = {item.asked.interaction_id: item.asked.probability for item in sheet_of(lake).items}
    for back in range(4):
        day = LAST - dt.timedelta(days=back)
        scored = lake.read(SCORES, day, day).to_pylist()
        schema = scores_schema([("hallucination", "a metric")], under_budget=True)
        more = {"budget": "60 s", "probability": 0.5, "is_drawn": True}
        rows = [{name: (row | more)[name] for name in schema.names} for row in scored]
        lake.replace(SCORES, day, pa.Table.from_pylist(rows, schema=schema))
        ledger.record_spent(lake, day, {"metrics": "hallucination"})
    halved = {item.asked.interaction_id: item.asked.probability for item in sheet_of(lake).items}
    assert halved == {name: pytest.approx((chance or 0) / 2) for name, chance in plain.items()}
