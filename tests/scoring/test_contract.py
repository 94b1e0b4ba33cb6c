"""What every scorer must do, by being registered: the same tests run over all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.schema import INTERACTIONS, STATUSES
from evalkit.scoring import Batch, Scorer, Scores, calibration, select
from tests.scoring.rows import PRICES, table, turns

SCORERS = select(Settings())
EXTRA_NEEDS = {"embeddings", "prices", "models", "turns", "corpus"}

HOSTILE = "<script>alert(1)</script> {{ 7*7 }} ' OR 1=1 -- \x00 \u202e 🤖 ={cmd|'/c calc'!A0}"
MIXED = table(
    {},
    {"response": "Five days.", "contexts": None},
    {"response": None, "status": "error", "tokens_output": None, "model": None},
    {"query": "Où est le bureau ?", "response": "Le bureau est à Zürich, près du lac."},
    {"response": "I cannot find that in the documents."},
    {"query": HOSTILE, "response": HOSTILE, "contexts": [{"id": HOSTILE, "text": HOSTILE}]},
    {"truncated": True, "response_format": "json_object"},
    {"response": '{"days": 5}', "response_format": "json_object", "token_semantics": "exclusive"},
    {"relevant_ids": ["b"], "model": "some-unpriced-model"},
    {
        "contexts": [{"id": None, "text": None}, {"id": "b", "text": " "}],
        "query": "?",
        "response": "!",
    },
    {"tokens_input": -1, "latency_ms": -5.0, "finish_reason": "length"},
    {},
)
NULLS = pa.table({c.name: pa.nulls(2, c.type) for c in INTERACTIONS.columns})

TURNS = turns(MIXED.num_rows)


@pytest.fixture(params=sorted(SCORERS))
def scorer(request: pytest.FixtureRequest) -> Scorer:
    return SCORERS[request.param]


def run(scorer: Scorer, rows: pa.Table, embedder: Embedder) -> Scores:
    found = scorer.score(Batch(rows, embedder, PRICES, calibration.load_all(), turns=TURNS))
    assert set(found.columns) == {metric.name for metric in scorer.metrics}  # these and no others
    assert set(found.evidence) <= set(range(rows.num_rows))
    for metric in scorer.metrics:
        values = found.columns[metric.name]
        low, high = metric.bounds
        assert len(values.values) == len(values.status) == rows.num_rows
        assert set(values.status.tolist()) <= set(STATUSES)
        ok = values.status == "ok"
        assert ((values.values[ok] >= low) & (values.values[ok] <= high)).all()
        assert np.isnan(values.values[~ok].astype(float)).all()  # no status but ok has a value
        if metric.unit == "share":
            assert set(values.values[ok].tolist()) <= {0.0, 1.0}
    return found


def plain(found: Scores, row: int | None = None) -> Any:
    """Everything that a scorer said, comparable bit by bit; of one row, or of all."""
    rows = range(len(next(iter(found.columns.values())).values)) if row is None else [row]
    return [
        (
            {n: (v.values[i].tobytes(), v.status[i]) for n, v in found.columns.items()},
            found.evidence.get(i, []),
        )
        for i in rows
    ]


def test_it_is_documented(scorer: Scorer) -> None:
    assert len(scorer.about) > 80
    assert scorer.version
    known = {column.name for column in INTERACTIONS.columns}
    assert set(scorer.needs) <= known | EXTRA_NEEDS
    for metric in scorer.metrics:
        assert len(metric.about) > 15
        assert not metric.about.endswith(".")


def test_an_empty_batch_gives_empty_columns(scorer: Scorer, embedder: Embedder) -> None:
    run(scorer, MIXED.slice(0, 0), embedder)


def test_one_good_row_has_values(scorer: Scorer, embedder: Embedder) -> None:
    found = run(scorer, table({}), embedder)
    assert [v.status[0] for v in found.columns.values()] == ["ok"] * len(scorer.metrics)


def test_nulls_everywhere_are_no_value_and_no_error(scorer: Scorer, embedder: Embedder) -> None:
    for values in run(scorer, NULLS, embedder).columns.values():
        assert values.status.tolist() == ["not_applicable"] * 2


def test_the_same_rows_give_the_same_bytes(scorer: Scorer, embedder: Embedder) -> None:
    assert plain(run(scorer, MIXED, embedder)) == plain(run(scorer, MIXED, embedder))


def test_a_row_does_not_depend_on_the_others(scorer: Scorer, embedder: Embedder) -> None:
    together = plain(run(scorer, MIXED, embedder))
    n = MIXED.num_rows
    assert [plain(run(scorer, MIXED.slice(i, 1), embedder))[0] for i in range(n)] == together
    assert plain(run(scorer, MIXED.take(list(range(n))[::-1]), embedder)) == together[::-1]
    thirds = [
        one for i in range(0, n, 5) for one in plain(run(scorer, MIXED.slice(i, 5), embedder))
    ]
    assert thirds == together


def test_it_reads_only_what_it_says_it_needs(scorer: Scorer, embedder: Embedder) -> None:
    unknown = [c for c in INTERACTIONS.columns if c.name not in scorer.needs]
    rows = table({})
    for column in unknown:
        at = rows.schema.get_field_index(column.name)
        rows = rows.set_column(at, rows.schema.field(at), pa.nulls(1, column.type))
    assert plain(run(scorer, rows, embedder)) == plain(run(scorer, table({}), embedder))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ["word " * 200_000, "Go. " * 200_000, "x" * 1_000_000, "[" * 200_000]
)
def test_a_huge_text_is_scored_in_bounded_time(
    scorer: Scorer, embedder: Embedder, text: str
) -> None:
    huge = {"response": text, "response_format": "json"}
    chunks = {"contexts": [{"id": "a", "text": text, "rank": 1}]}
    run(scorer, table(huge, {"query": text}, chunks, {**huge, **chunks, "query": text}), embedder)
