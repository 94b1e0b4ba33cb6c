"""How much of the retrieved text is said twice, and how old it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.encoders import Embedder
from evalkit.scoring import Batch
from evalkit.scoring.scorers.context_quality import (
    context_quality,
    median_age_days,
    repeated_share,
)
from tests.scoring.rows import PRICES, table

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
TEN = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        ([], 0.0),
        ([""], 0.0),
        ([TEN], 0.0),
        ([TEN, TEN], 1 / 2),
        ([TEN, TEN.upper() + "!"], 1 / 2),
        ([TEN, TEN, TEN, TEN], 3 / 4),
        ([TEN, "other words are here now"], 0.0),
        ([TEN, "four five six seven eight and more"], 5 / 17),  # a part cut out of it
        ([TEN, "three four five six"], 4 / 14),  # shorter than a run: all of it
        ([TEN, "ten nine eight seven six"], 0.0),  # the same words in another order
        (["Yes.", "Yes.", "No."], 1 / 3),
    ],
)
def test_repeated_words_by_hand(texts: list[str], share: float) -> None:
    assert repeated_share(texts) == pytest.approx(share)


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_texts_repeat_less_than_all_and_a_copy_repeats_itself(texts: list[str]) -> None:
    share = repeated_share(texts)
    assert 0 <= share < 1
    assert repeated_share([*texts, *texts]) >= share


def test_the_age_is_that_of_the_median_chunk() -> None:
    def days(n: float) -> datetime:
        return NOW - timedelta(days=n)

    assert median_age_days([days(3)], NOW) == 3
    assert median_age_days([days(1), days(900), days(2)], NOW) == 2
    assert median_age_days([days(1), None, days(2)], NOW) == 1.5
    assert median_age_days([days(-1)], NOW) == 0  # newer than the call: new
    assert median_age_days([None, None], NOW) is None
    assert median_age_days([], NOW) is None


def test_statuses(embedder: Embedder) -> None:
    undated = [{"id": "a", "text": "Refunds take five days.", "rank": 1}]
    long = [{"id": "a", "text": "word " * 200_000, "rank": 1, "updated_at": NOW}]

    def said(change: dict[str, Any]) -> list[Any]:
        found = context_quality.score(Batch(table(change), embedder, PRICES, {})).columns
        return [v.values[0] if v.status[0] == "ok" else v.status[0] for v in found.values()]

    assert said({}) == [0.0, 3.0]
    assert said({"started_at": None}) == [0.0, "not_applicable"]
    assert said({"contexts": undated}) == [0.0, "not_applicable"]
    assert said({"contexts": undated * 2}) == [0.5, "not_applicable"]
    assert said({"contexts": None}) == ["not_applicable"] * 2
    assert said({"truncated": True}) == ["truncated"] * 2
    assert said({"contexts": long}) == ["over_budget", 0.0]
