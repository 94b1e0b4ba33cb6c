"""Which responses decline to answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit import prices
from evalkit.frames import interactions_from
from evalkit.scoring.batch import Batch
from evalkit.scoring.scorers.abstention import abstention, is_abstention

DECLINES = [
    "Unable to answer based on given passages.",
    "I'm sorry, but I can't help with that.",
    "I don't know.",
    "The context does not contain any information about the refund policy.",
    "Sorry, the documents do not mention his age. Let me know if I can help with something else.",
    "I cannot answer this question. The provided passages do not say who won.",
]
ANSWERS = [
    "Annual plans may be refunded in full within 30 days.",
    # hedges in passing
    "The tower opened in 1889 and is 330 metres tall. It was built by Gustave Eiffel's company for "
    "the world fair. The passages do not say what it cost.",
    # declines, then answers in full
    "I don't know for certain. The museum opens at nine in the morning, tickets cost twelve euros "
    "for adults, children under ten enter free of charge, and the garden stays open until sunset.",
    "Please contact support. They will issue the refund within three working days.",
    "No refunds are given after 30 days.",
]


@pytest.mark.parametrize("response", DECLINES)
def test_declining_is_abstention(response: str) -> None:
    assert is_abstention(response)


@pytest.mark.parametrize("response", ANSWERS)
def test_answering_is_not(response: str) -> None:
    assert not is_abstention(response)


def test_a_very_long_response_never_declines() -> None:
    assert not is_abstention("I don't know. " * 10_000)


def test_the_metric_is_a_rate_over_rows_with_a_response() -> None:
    frame = pd.DataFrame({"response": [DECLINES[0], ANSWERS[0], None, "  "]})
    batch = Batch(interactions_from(frame), NoEmbedder(), prices.load(None), {})
    column = abstention.score(batch).columns["abstention"]
    assert column.status.tolist() == ["ok", "ok", "not_applicable", "not_applicable"]
    assert column.values[:2].tolist() == [1.0, 0.0]


class NoEmbedder:
    """The rule needs no vectors: asking for some fails."""

    dim = 1

    def embed(self, texts: object) -> np.ndarray:
        raise AssertionError("the rule asked for vectors")
