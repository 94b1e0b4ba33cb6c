"""One verdict an interaction, and the probability that makes a weighted sum of verdicts unbiased."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from labelled_lake import LAST, filled, sheet_of

from evalkit.labelling import consolidate, read, store
from evalkit.labelling.selection import draw, inclusion_probabilities, worth
from evalkit.lake import Lake
from evalkit.schema import LABELS

DAY = dt.date(2026, 11, 20)


def sheet(name: str, asked: int, after: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"id": name, "start": DAY, "end": DAY, "asked": asked, "after": list(after)}


def said(
    *rows: tuple[str, str | None, float | None, float | None, dict[str, Any] | None],
) -> pa.Table:
    """Rows of `labels`: interaction, who, verdict, probability, sheet."""
    head = {"day": DAY, "metric": "hallucination", "comment": None, "at": None}
    return pa.Table.from_pylist(
        [
            head
            | {
                "origin": "traffic" if on is None else "sheet",
                "interaction_id": name,
                "by": by,
                "value": value,
                "probability": probability,
                "sheet": on,
            }
            for name, by, value, probability, on in rows
        ],
        schema=LABELS.schema,
    )


def probabilities(labels: pa.Table) -> dict[str, float | None]:
    table = consolidate(labels).table
    return dict(
        zip(table["interaction_id"].to_pylist(), table["probability"].to_pylist(), strict=True)
    )


def test_the_majority_decides_and_ties_and_doubts_are_left_out() -> None:
    on = sheet("s", 4)
    found = consolidate(
        said(
            ("a", "ann", 1.0, 0.5, on),
            ("a", "bob", 1.0, None, on),
            ("a", "eve", 0.0, None, on),
            ("tie", "ann", 1.0, 0.5, on),
            ("tie", "bob", 0.0, None, on),
            ("one", "ann", None, 0.5, on),
            ("one", "bob", 0.0, None, on),
            ("none", "ann", None, 0.5, on),
        )
    )
    rows = found.table.to_pylist()
    assert [(r["interaction_id"], r["value"], r["labellers"]) for r in rows] == [
        ("a", 1.0, 3),
        ("one", 0.0, 1),
    ]
    assert (found.ties, found.unsure) == (1, 1)


def test_who_stopped_early_has_answered_a_part_of_the_sheet() -> None:
    found = probabilities(
        said(("a", "ann", 1.0, 0.4, sheet("s", 4)), ("b", "ann", 0.0, 0.8, sheet("s", 4)))
    )
    assert found == {"a": pytest.approx(0.2), "b": pytest.approx(0.4)}


def test_verdicts_from_the_logs_stand_for_themselves_where_a_sheet_covers_them() -> None:
    assert probabilities(said(("log", None, 1.0, None, None))) == {"log": None}
    both = said(("log", None, 1.0, None, None), ("a", "ann", 1.0, 0.1, sheet("s", 1)))
    assert probabilities(both) == {"log": 1.0, "a": pytest.approx(0.1)}


def test_sheets_over_the_same_days_share_the_traffic_between_them() -> None:
    """Two sheets of one row each; the second left out what the first had asked."""
    found = probabilities(
        said(
            ("a", "ann", 1.0, 0.1, sheet("s", 1)),
            ("b", "ann", 0.0, 0.2, sheet("t", 1, after=("s",))),
        )
    )
    assert 1 / found["a"] == pytest.approx(0.5 / 0.1 + 0.5)
    assert 1 / found["b"] == pytest.approx(0.5 / 0.2)


def test_no_verdicts_are_no_rows(lake: Lake) -> None:
    assert read(lake, "hallucination", LAST).num_rows == 0


def test_a_stored_sheet_is_read_with_its_probabilities(lake: Lake, tmp_path: Path) -> None:
    asked = sheet_of(lake, 20)
    store(lake, [filled(asked, tmp_path / "a.json", lambda k: "yes" if k % 2 else "no")])
    found = {row["interaction_id"]: row for row in read(lake, "hallucination", LAST).to_pylist()}
    assert len(found) == 20
    for k, item in enumerate(asked.items):
        row = found[item.asked.interaction_id]
        assert (row["value"], row["probability"]) == (
            float(k % 2),
            pytest.approx(item.asked.probability),
        )
    assert read(lake, "hallucination", LAST - dt.timedelta(days=1)).num_rows < 20
    assert read(lake, "groundedness", LAST).num_rows == 0


def test_rates_over_two_sheets_are_unbiased() -> None:
    """200 rows, a first sheet of 20 of which 15 are answered, then one of 30 over what is left; 800 times."""
    rng = np.random.default_rng(1)
    scores, segments = rng.beta(1, 3, 200), rng.choice(["a", "b"], 200, p=[0.9, 0.1])
    truth = (rng.random(200) < np.where(segments == "b", 0.7, scores)).astype(float)
    estimates = []
    for seed in range(800):
        rows = []
        open_ = np.arange(200)
        for name, n, answered, after in (("s", 20, 15, ()), ("t", 30, 30, ("s",))):
            chances = inclusion_probabilities(worth(scores[open_], segments[open_], 0 * open_), n)
            picks = draw(chances, segments[open_], seed)[:answered]
            on = sheet(name, n, after)
            rows += [(f"{open_[k]:03d}", "ann", truth[open_[k]], chances[k], on) for k in picks]
            open_ = np.delete(open_, picks)
        table = consolidate(said(*rows)).table
        weights = 1 / table["probability"].to_numpy()
        estimates.append(np.sum(weights * table["value"].to_numpy()) / 200)
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - truth.mean()) < 3.5 * error
