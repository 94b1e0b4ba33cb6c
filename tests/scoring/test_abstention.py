"""Which responses decline to answer: on cases by hand, and on 738 real answers with labels."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import prices
from evalkit.frames import interactions_from
from evalkit.scoring.batch import Batch
from evalkit.scoring.scorers.abstention import abstention, abstention_grade, is_abstention
from evalkit.stats.classification import at_threshold, auroc

LABELLED = Path(__file__).parents[1] / "data" / "abstention.jsonl"
SHARED = Path(__file__).parents[3] / "shared" / "data"

DECLINES = [
    "Unable to answer based on given passages.",
    "I'm sorry, but I can't help with that.",
    "I don't know.",
    "The context does not contain any information about the refund policy.",
    "Sorry, the documents do not mention his age. Let me know if I can help with something else.",
    "I cannot answer this question. The provided passages do not say who won.",
    # tells something else instead
    "I'm sorry, but I couldn't find any information about episode 29. However, I found that "
    "episode 293 is set to be released on March 26th.",
    # says what it lacks, asks which, or speaks in general
    "As an AI language model, I do not have access to real-time information. Please check the "
    "official website for the latest schedule.",
    "I'm sorry, but I'm not sure which case you are referring to.",
    "As an AI language model, I have no opinions.",
]
ANSWERS = [
    "Annual plans may be refunded in full within 30 days.",
    # hedges in passing
    "The tower opened in 1889 and is 330 metres tall. It was built by Gustave Eiffel's company for "
    "the world fair. The passages do not say what it cost.",
    # declines, then answers
    "The context does not say. It was 1969.",
    "I don't know for certain. The museum opens at nine in the morning, tickets cost twelve euros "
    "for adults, children under ten enter free of charge, and the garden stays open until sunset.",
    # says what it is, then answers
    "As an AI language model, I do not have access to real-time information, but as of my last "
    "update the mayor was Anna Smith.",
    "As an AI language model, I don't have personal opinions. However, the tower opened in 1889.",
    "Please contact support. They will issue the refund within three working days.",
    "No refunds are given after 30 days.",
    "seven",
    "",
]


@pytest.mark.parametrize("response", DECLINES)
def test_declining_is_abstention(response: str) -> None:
    assert is_abstention(response)


@pytest.mark.parametrize("response", ANSWERS)
def test_answering_is_not(response: str) -> None:
    assert not is_abstention(response)


def test_a_very_long_response_never_declines() -> None:
    assert not is_abstention("I don't know. " * 10_000)


@given(st.text(max_size=300))
def test_any_text_has_a_grade(text: str) -> None:
    assert 0 <= abstention_grade(text) <= 1


@pytest.mark.parametrize(
    "piece",
    [
        "I cannot ",
        "the context does not ",
        "as an AI, but ",
        "no ",
        "you are ",
        ": ",
        ", but a b c",
    ],
)
def test_the_longest_text_that_is_read_takes_no_time(piece: str) -> None:
    text = (piece * 10_000)[:10_000]
    begin = time.process_time()
    abstention_grade(text)
    assert time.process_time() - begin < 2


def labelled(half: str) -> Iterator[tuple[str | None, str, bool]]:
    """Text (None where it is too long to be kept here), id and label."""
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["half"] == half and row["abstains"] is not None:
            yield row.get("response"), row["id"], row["abstains"]


def agrees(rows: list[tuple[str, bool]]) -> tuple[float, float]:
    """AUROC of the grade, balanced accuracy of the verdict."""
    grade = np.array([abstention_grade(text) for text, _ in rows])
    label = np.array([declines for _, declines in rows])
    area, cut = auroc(label, grade), at_threshold(label, grade, 0.5).balanced_accuracy
    assert area is not None
    assert cut is not None
    return area, cut


def test_it_agrees_with_a_reader_on_short_real_answers() -> None:
    rows = [(text, declines) for text, _, declines in labelled("held_out") if text is not None]
    area, cut = agrees(rows)
    assert len(rows) == 190
    assert area >= 0.97
    assert cut >= 0.85


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
def test_it_agrees_with_a_reader_on_all_real_answers() -> None:
    texts: dict[str, Any] = {}
    evouna = pd.read_parquet(SHARED / "evouna_nq.parquet")
    for row in evouna.itertuples():
        texts[f"evouna:{row.question_id}:{row.model}"] = row.answer
    for row in pd.read_parquet(SHARED / "ragtruth_train_part.parquet").itertuples():
        texts[f"ragtruth:{row.id}"] = row.response
    rows = [(texts[id_], declines) for _, id_, declines in labelled("held_out")]
    area, cut = agrees(rows)
    assert len(rows) == 350
    assert area >= 0.97
    assert cut >= 0.85


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
