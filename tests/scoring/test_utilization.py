"""How much of what was retrieved a response rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit import prices
from evalkit.config import Settings
from evalkit.encoders import Embedder, open_embedder
from evalkit.frames import interactions_from
from evalkit.scoring.batch import Batch
from evalkit.scoring.scorers.context_utilization import context_utilization

REFUNDS = "Annual plans may be refunded in full within 30 days of the purchase."
SHIPPING = "Orders leave our warehouse in Rotterdam on Mondays."
OWLS = "Owls hunt mice at night and sleep in hollow trees."


@pytest.fixture(scope="module")
def model() -> Embedder:
    return open_embedder(Settings(), cache=False)


def utilization(model: Embedder, response: str | None, contexts: Sequence[str], **more: Any) -> Any:
    frame = pd.DataFrame([{"query": "?", "response": response, "contexts": list(contexts), **more}])
    batch = Batch(interactions_from(frame), model, prices.load(None), {})
    column = context_utilization.score(batch).columns["context_utilization"]
    return column.values[0] if column.status[0] == "ok" else column.status[0]


def test_all_chunks_used_is_one_and_none_used_is_zero(model: Embedder) -> None:
    both = "Annual plans may be refunded in full. Orders leave Rotterdam on Mondays."
    assert utilization(model, both, [REFUNDS, SHIPPING]) == 1.0
    assert utilization(model, "Brazil won the football cup in 1994.", [REFUNDS, SHIPPING]) == 0.0


def test_chunks_weigh_by_rank_as_in_dcg(model: Embedder) -> None:
    answer = "Annual plans may be refunded in full within 30 days."
    weight = 1 / np.log2([2, 3, 4])
    first = utilization(model, answer, [REFUNDS, SHIPPING, OWLS])
    last = utilization(model, answer, [SHIPPING, OWLS, REFUNDS])
    assert first == pytest.approx(weight[0] / weight.sum())
    assert last == pytest.approx(weight[2] / weight.sum())


def test_a_chunk_that_was_retrieved_twice_counts_twice(model: Embedder) -> None:
    answer = "Annual plans may be refunded in full within 30 days."
    assert utilization(model, answer, [REFUNDS, REFUNDS]) == 1.0


def test_a_row_without_a_value_says_why(model: Embedder) -> None:
    assert utilization(model, None, [REFUNDS]) == "not_applicable"
    assert utilization(model, "Plans may be refunded.", []) == "not_applicable"
    assert utilization(model, "Unable to answer based on given passages.", [REFUNDS]) == "abstained"
    assert utilization(model, "Plans may be refunded.", [REFUNDS], truncated=True) == "truncated"
