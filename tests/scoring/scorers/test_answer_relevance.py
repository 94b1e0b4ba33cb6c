"""Answer relevance: what is low, what is not, and what has no value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.encoders import Embedder
from evalkit.scoring import Batch, Values, calibration
from evalkit.scoring.scorers.answer_relevance import answer_relevance
from tests.scoring.rows import GOOD, PRICES, table

QUESTION = "Who wrote Hamlet?"
FULL = "Hamlet was written by William Shakespeare between 1599 and 1601."


def scored(embedder: Embedder, *rows: dict[str, Any]) -> Values:
    batch = Batch(table(*rows), embedder, PRICES, calibration.load_all())
    return answer_relevance.score(batch).columns["answer_relevance"]


def relevance(embedder: Embedder, response: str, query: str = QUESTION) -> float:
    found = scored(embedder, {"query": query, "response": response})
    assert found.status[0] == "ok"
    return float(found.values[0])


def cut() -> float:
    return calibration.load("answer_relevance").threshold


def test_an_answer_is_relevant(embedder: Embedder) -> None:
    assert relevance(embedder, FULL) > 0.9
    assert relevance(embedder, GOOD["response"], GOOD["query"]) > 0.9


@pytest.mark.parametrize(
    ("query", "response"),
    [
        ("Who wrote Hamlet?", "Shakespeare"),
        ("When did people first land on the moon?", "1969"),
        ("What is the capital of France?", "Paris"),
        ("How many legs does a spider have?", "Eight."),
        ("Is breakfast included?", "Yes."),
    ],
)
def test_a_bare_answer_is_not_low_for_being_short(
    embedder: Embedder, query: str, response: str
) -> None:
    assert relevance(embedder, response, query) >= cut()


def test_a_long_explained_answer_is_not_punished(embedder: Embedder) -> None:
    more = (
        " The play is set in Denmark and tells of a prince who avenges his father."
        " It draws on the legend of Amleth, which Saxo Grammaticus wrote down."
        " It was first printed in a quarto of 1603, and in the folio of 1623 at full length."
        " Many actors count the part among the hardest of the stage."
    )
    assert relevance(embedder, FULL + 3 * more) > 0.9


@pytest.mark.parametrize(
    "response",
    [
        "You asked who wrote Hamlet. Who wrote Hamlet is a question about who wrote Hamlet.",
        "Who wrote Hamlet?",
        "So you would like to know who wrote Hamlet?",
        "That is a great question! There are many aspects to consider.",
        "A refund takes five working days. We send an e-mail when it is on its way.",
        "The three-point line was added to the NBA in the 1979-80 season.",
        "!",
    ],
)
def test_what_does_not_answer_is_low(embedder: Embedder, response: str) -> None:
    assert relevance(embedder, response) < min(0.5, cut())


def test_the_wrong_kind_of_answer_is_lower_than_the_right_one(embedder: Embedder) -> None:
    query = "When did the Eiffel Tower open?"
    right = relevance(embedder, "The Eiffel Tower opened to the public in May 1889.", query)
    wrong = relevance(
        embedder, "The Eiffel Tower was designed by an engineer of iron works.", query
    )
    assert wrong < cut() < right


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"query": None}, "not_applicable"),
        ({"response": None}, "not_applicable"),
        ({"query": " "}, "not_applicable"),
        ({"query": "Summarize the following news."}, "not_applicable"),
        ({"query": "?"}, "not_applicable"),
        ({"truncated": True}, "truncated"),
        ({"response": "I cannot find that in the documents."}, "abstained"),
        ({"response": "Go. " * 500}, "over_budget"),
    ],
)
def test_without_a_value_it_says_why(
    embedder: Embedder, change: dict[str, Any], status: str
) -> None:
    found = scored(embedder, {}, change)
    assert found.status.tolist() == ["ok", status]
    assert np.isnan(found.values[1])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), min_size=1, max_size=4)
)
def test_any_text_is_scored_by_itself(embedder: Embedder, texts: list[tuple[str, str]]) -> None:
    rows = [{"query": query, "response": response} for query, response in texts]
    together = scored(embedder, *rows)
    for k, row in enumerate(rows):
        alone = scored(embedder, row)
        assert alone.status[0] == together.status[k]
        if alone.status[0] == "ok":
            assert alone.values[0] == together.values[k]
            assert 0 <= alone.values[0] <= 1
