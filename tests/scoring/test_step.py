"""The score step: one commit a day, whatever goes wrong in between, and the same bytes every
time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from evalkit.config import ScoringSettings, Settings
from evalkit.encoders import Embedder
from evalkit.errors import ConfigError, ExtensionError, ModelError
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.schema import INTERACTIONS, SCORES
from evalkit.scoring import (
    Scorer,
    Scores,
    Values,
    metrics,
    score,
    score_table,
    scorer_fingerprint,
    select,
    selection,
)
from evalkit.scoring.batch import Batch
from tests.scoring.rows import DAY, PRICES, table

ROWS = table(
    *[{"response": f"It takes {n} working days."} for n in range(7)],
    {"status": "error", "response": None},
)


def settings(base: Path, rows: int = 3, **scoring: list[str]) -> Settings:
    return Settings(
        base=base, scoring=ScoringSettings.model_validate({"batch_rows": rows, **scoring})
    )


def with_scorer(
    monkeypatch: pytest.MonkeyPatch, function: object, *, name: str = "odd", metric: str = "odd"
) -> None:
    """The shipped scorers and one more."""
    known = select(Settings())
    made = Scorer(
        name,
        "1",
        ("response",),
        (Metric(metric, "score", "lower", "a scorer of a test"),),
        function,
        "",
        "t",
    )  # type: ignore[arg-type]
    monkeypatch.setattr(selection, "find", lambda *_: {**known, name: made})


def test_a_day_is_replaced_by_one_row_for_each_interaction(
    tmp_path: Path, embedder: Embedder
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lake.replace(INTERACTIONS, DAY, ROWS)
    done = score(settings(tmp_path), lake, DAY, embedder, PRICES)
    assert (done.interactions, done.errors) == (8, {})
    assert "8 interactions" in str(done)
    stored = lake.read(SCORES, DAY, DAY)
    assert stored.column("interaction_id").to_pylist() == ROWS.column("interaction_id").to_pylist()
    again = score(settings(tmp_path, rows=512), lake, DAY, embedder, PRICES, fresh=True)
    assert (again.metrics, again.kept) == (done.metrics, 0)
    assert lake.read(SCORES, DAY, DAY).equals(stored)  # other batches, the same bytes
    assert lake.version(SCORES) == 0  # one commit: the second run had nothing to say


def test_a_day_without_interactions_becomes_empty(tmp_path: Path, embedder: Embedder) -> None:
    lake = Lake(str(tmp_path / "lake"))
    assert score(settings(tmp_path), lake, DAY, embedder, PRICES).interactions == 0
    assert lake.count(SCORES, DAY) == 0


def test_missing_is_null_with_a_reason_and_failed_calls_have_no_content_scores(
    tmp_path: Path, embedder: Embedder
) -> None:
    found = score_table(ROWS, settings(tmp_path), embedder, PRICES)
    for name in metrics(settings(tmp_path)):
        values, status = found.column(name).to_pylist(), found.column(f"{name}__status").to_pylist()
        assert [v is None for v in values] == [s != "ok" for s in status]
        assert not any(v != v for v in values if v is not None)
    last = found.slice(7).to_pylist()[0]
    assert (
        last["failed"],
        last["answer_relevance__status"],
        last["context_relevance__status"],
    ) == (
        1.0,
        "not_applicable",
        "not_applicable",
    )


def test_a_few_columns_are_enough(tmp_path: Path, embedder: Embedder) -> None:
    rows = pa.table({"interaction_id": ["x"], "query": ["How long?"], "response": ["Five days."]})
    found = score_table(rows, settings(tmp_path), embedder, PRICES).to_pylist()[0]
    assert found["answer_relevance__status"] == "ok"
    assert found["failed__status"] == "not_applicable"
    assert score_table(rows.slice(0, 0), settings(tmp_path), embedder, PRICES).num_rows == 0


def test_a_row_that_breaks_a_scorer_costs_only_itself(
    tmp_path: Path,
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def breaks(batch: Batch) -> Scores:
        values = Values(len(batch))
        for i, text in enumerate(batch.strings("response")):
            if text in {"It takes 2 working days.", "It takes 5 working days."}:
                raise ZeroDivisionError("odd")
            values.set(i, 0.1234567891)
        return Scores({"odd": values})

    with_scorer(monkeypatch, breaks)
    with caplog.at_level(logging.WARNING):
        lake = Lake(str(tmp_path / "lake"))
        lake.replace(INTERACTIONS, DAY, ROWS)
        done = score(settings(tmp_path), lake, DAY, embedder, PRICES)
    assert done.errors == {"odd": 2}
    assert caplog.text.count("ZeroDivisionError") == 1
    found = lake.read(SCORES, DAY, DAY)
    expected = ["ok", "ok", "error", "ok", "ok", "error", "ok", "not_applicable"]
    assert found.column("odd__status").to_pylist() == expected
    assert found.column("odd").to_pylist()[0] == 0.123457
    assert found.column("answer_relevance__status").to_pylist().count("ok") == 7


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 1.5])
def test_a_value_out_of_range_is_an_error_not_a_value(
    tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    def wild(batch: Batch) -> Scores:
        values = Values(len(batch))
        values.values[:] = value
        values.status[:] = "ok"
        return Scores({"odd": values})

    with_scorer(monkeypatch, wild)
    found = score_table(table({}), settings(tmp_path), embedder, PRICES).to_pylist()[0]
    assert (found["odd"], found["odd__status"]) == (None, "error")


def test_a_scorer_that_breaks_its_contract_is_an_error_on_every_row(
    tmp_path: Path,
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with_scorer(monkeypatch, lambda batch: Scores({"other": Values(len(batch))}))
    found = score_table(table({}, {}), settings(tmp_path), embedder, PRICES)
    assert found.column("odd__status").to_pylist() == ["error", "error"]
    assert "declares ['odd'] and gives ['other']" in caplog.text


def test_a_model_that_is_not_there_stops_the_night_and_leaves_the_day_as_it_was(
    tmp_path: Path, embedder: Embedder
) -> None:
    class Gone(Embedder):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise ModelError("no model")

    lake = Lake(str(tmp_path / "lake"))
    lake.replace(INTERACTIONS, DAY, ROWS)
    score(settings(tmp_path), lake, DAY, embedder, PRICES)
    before = lake.read(SCORES, DAY, DAY)
    with pytest.raises(ModelError, match="no model"):
        score(settings(tmp_path), lake, DAY, Gone("f", 384, lambda: embedder.encoder), PRICES)
    assert lake.read(SCORES, DAY, DAY).equals(before)


def test_scorers_are_chosen_by_name(tmp_path: Path, embedder: Embedder) -> None:
    assert list(select(settings(tmp_path, include=["cost", "latency"], exclude=["cost"]))) == [
        "latency"
    ]
    with pytest.raises(
        ConfigError, match=r"\[scoring\] include: 'costs' is no scorer. Did you mean 'cost'\?"
    ):
        select(settings(tmp_path, include=["costs"]))
    with pytest.raises(ConfigError, match="no scorer is left"):
        select(settings(tmp_path, include=["cost"], exclude=["cost"]))
    one = scorer_fingerprint(settings(tmp_path), embedder, PRICES)
    assert one != scorer_fingerprint(settings(tmp_path, exclude=["cost"]), embedder, PRICES)
    assert one == scorer_fingerprint(settings(tmp_path, rows=9), embedder, PRICES)


def test_two_scorers_of_one_metric_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with_scorer(monkeypatch, lambda _: Scores({}), metric="cost_usd")
    with pytest.raises(ExtensionError, match="'cost_usd' is produced by scorer 'cost' too"):
        select(Settings())
