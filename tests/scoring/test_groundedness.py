"""Groundedness and hallucination: what is supported, what is not, and when neither can be told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import prices
from evalkit.config import Settings
from evalkit.encoders import Embedder, open_embedder
from evalkit.frames import interactions_from
from evalkit.scoring.batch import Batch, TextEmbedder
from evalkit.scoring.calibration import load_all
from evalkit.scoring.contract import Evidence, Scores
from evalkit.scoring.features import RESPONSE_INPUTS, response_inputs
from evalkit.scoring.scorers.groundedness import groundedness, marked_words
from evalkit.scoring.support import support_of
from evalkit.scoring.verification import Verified
from evalkit.text.sentences import Span
from evalkit.text.tokens import words

REFUNDS = "Annual plans may be refunded in full within 30 days. Monthly plans are not refunded."
SHIPPING = "Orders leave our warehouse in Rotterdam on Mondays and arrive within three days."


class WordVectors:
    """A real, if crude, embedder: a text is the sum of fixed random vectors of its words."""

    dim = 64

    def embed(self, texts: Sequence[str]) -> Any:
        found = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in words(text) or ["-"]:
                seed = int.from_bytes(word.encode()[:8], "little")
                found[row] += np.random.default_rng(seed).standard_normal(self.dim)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def model() -> Embedder:
    return open_embedder(Settings(), cache=False)


def batch_of(rows: list[dict[str, Any]], embedder: TextEmbedder | None = None) -> Batch:
    columns = ("query", "response", "contexts", "truncated")
    frame = pd.DataFrame({name: [row.get(name) for row in rows] for name in columns})
    table = interactions_from(frame)
    return Batch(table, embedder or WordVectors(), prices.load(None), load_all())


def scored(rows: list[dict[str, Any]], embedder: TextEmbedder | None = None) -> Scores:
    return groundedness.score(batch_of(rows, embedder))


def row(response: str | None, *contexts: str, **more: Any) -> dict[str, Any]:
    return {
        "query": "What about refunds?",
        "response": response,
        "contexts": list(contexts),
        **more,
    }


def values(scores: Scores, metric: str) -> list[float]:
    return scores.columns[metric].values.tolist()


def statuses(scores: Scores) -> list[str]:
    return scores.columns["groundedness"].status.tolist()


def test_a_copied_answer_is_grounded_and_an_invented_one_is_not(model: Embedder) -> None:
    found = scored(
        [
            row("Annual plans may be refunded in full within 30 days.", REFUNDS, SHIPPING),
            row("You can get your money back for annual plans within 30 days.", REFUNDS, SHIPPING),
            row("Premium customers in Brazil receive 500 dollars from Acme Insurance.", REFUNDS),
        ],
        model,
    )
    copied, paraphrased, invented = values(found, "groundedness")
    assert copied > 0.9
    assert copied > paraphrased > invented
    assert invented < 0.5
    copied, paraphrased, invented = values(found, "hallucination")
    assert copied < 0.1 < 0.8 < invented
    assert copied < paraphrased < invented


def test_one_invented_sentence_among_supported_ones_shows() -> None:
    true = "Annual plans may be refunded in full within 30 days. Monthly plans are not refunded."
    found = scored([row(true, REFUNDS), row(true + " Lawyer Kim Novak wrote it in 1987.", REFUNDS)])
    assert values(found, "hallucination")[1] > values(found, "hallucination")[0] + 0.2
    assert values(found, "groundedness")[1] < values(found, "groundedness")[0]


def test_evidence_points_at_the_words_that_no_context_holds() -> None:
    response = "Annual plans may be refunded in full within 45 days by Helga Brandt."
    found = scored([row(response, REFUNDS)]).evidence[0]
    marked = {response[e.start : e.end] for e in found if e.metric == "hallucination"}
    assert marked == {"45 days", "Helga Brandt"}


def test_the_words_that_the_verifier_doubts_are_marked_beside_new_ones() -> None:
    response = "Monthly plans may be refunded by Helga within 30 days."
    support = support_of(batch_of([{"response": response, "contexts": [REFUNDS]}]))[0]
    places = [Span(i, i + len(word)) for i, word in _words_of(response)]
    odds = np.array([3.0, -3, -3, -3, -3, 2.0, 2.0, -3, -3, -3])
    reading = Verified(np.array([2.0]), (odds,), (tuple(places),))
    model = load_all()["support"]

    def marked(reading: Verified | None, doubt: float) -> list[str]:
        found = marked_words(support, reading, [doubt], model)
        return [response[span.start : span.end] for span in found]

    assert marked(None, 1.0) == ["Helga"]
    assert marked(reading, 1.0) == ["Monthly", "by Helga"]
    assert marked(reading, 0.0) == []


def _words_of(text: str) -> list[tuple[int, str]]:
    return [(text.index(word), word) for word in text.rstrip(".").split()]


def test_evidence_names_the_chunk_that_supports_a_sentence() -> None:
    contexts = [{"id": "kb-1", "text": SHIPPING}, {"id": "kb-2", "text": REFUNDS}]
    response = (
        "Annual plans may be refunded in full within 30 days. Goblins dance on Jupiter nightly."
    )
    found = scored([{"query": None, "response": response, "contexts": contexts}]).evidence[0]
    sentences = [e for e in found if e.metric == "groundedness"]
    assert sentences == [
        Evidence("groundedness", 0, 52, "kb-2", "supported"),
        Evidence("groundedness", 53, len(response), None, "unsupported"),
    ]


@pytest.mark.parametrize(
    ("given_row", "status"),
    [
        (row(None, REFUNDS), "not_applicable"),
        (row("   ", REFUNDS), "not_applicable"),
        (row("Refunds take 30 days."), "not_applicable"),
        (row("Sure!", REFUNDS), "not_applicable"),
        (row("Refunds take 30 days.", REFUNDS, truncated=True), "truncated"),
        (row("Sorry, the context does not mention refunds.", REFUNDS), "abstained"),
        (row("Refunds take 30 days.", REFUNDS, truncated=False), "ok"),
    ],
)
def test_a_row_without_a_value_says_why(given_row: dict[str, Any], status: str) -> None:
    found = scored([given_row])
    for metric in ("groundedness", "hallucination"):
        assert found.columns[metric].status.tolist() == [status]
        assert np.isnan(found.columns[metric].values[0]) == (status != "ok")


def test_words_of_the_question_and_about_the_answering_are_not_new() -> None:
    asked = row("Based on the given passages, unicorn plans may be refunded in full.", REFUNDS)
    batch = batch_of([{**asked, "query": "Are unicorn plans refunded?"}])
    assert support_of(batch)[0].column("foreign_count").tolist() == [0]


def test_words_that_a_record_writes_together_are_held_apart_and_together() -> None:
    record = '{"name": "McDonald", "OutdoorSeating": true, "BusinessParking": {"valet": false}}'
    said = row("McDonald has outdoor seating and business parking, but no valet.", record)
    assert support_of(batch_of([said]))[0].column("foreign_count").tolist() == [0]


def test_numbers_are_compared_by_value() -> None:
    text = "The tower cost 3.5 million dollars and opened on March 5, 1999 with three lifts."
    same = row("It cost $3,500,000 and opened on 5 March 1999 with 3 lifts.", text)
    other = row("It cost $4,500,000 and opened on 6 March 1999 with 2 lifts.", text)
    supports = support_of(batch_of([same, other]))
    assert supports[0].column("numbers_new").sum() == 0
    assert supports[1].column("numbers_new").sum() == 3


def test_a_name_or_number_of_another_sentence_is_misplaced() -> None:
    text = (
        "Anna Berg founded the bakery in 1954. It is known for rye bread. The oven is old. "
        "The shop has two floors. The cinema next door was built by Otto Lang in 1987."
    )
    found = support_of(
        batch_of([row("Otto Lang founded the bakery, known for rye bread, in 1987.", text)])
    )[0]
    assert found.column("names_new").tolist() == [0]
    assert found.column("names_misplaced").tolist() == [1]
    assert found.column("numbers_misplaced").tolist() == [1]


def test_a_denial_that_the_evidence_does_not_make_shows() -> None:
    found = support_of(batch_of([row("Annual plans may not be refunded in full.", REFUNDS)]))[0]
    assert found.column("negation_differs").tolist() == [1]


def test_what_the_model_sees_of_a_response_is_summed_up_from_its_sentences() -> None:
    response = "Helga Brandt paid 45 dollars. Annual plans may not be refunded in full in Oslo."
    found = support_of(batch_of([row(response, REFUNDS, SHIPPING)]))[0]
    seen = dict(zip(RESPONSE_INPUTS, response_inputs(found), strict=True))
    assert len(found.spans) == 2
    weight = found.column("words") / found.column("words").sum()
    for name in ("foreign_share", "novel_bigrams", "uncovered", "distance"):
        assert seen[f"{name}_mean"] == pytest.approx((weight * found.column(name)).sum())
    for name in ("foreign_share", "uncovered", "distance", "negation_differs", "directions_differ"):
        assert seen[f"{name}_max"] == found.column(name).max()
    for name in ("numbers_new", "numbers_misplaced", "names_new", "names_misplaced"):
        assert seen[f"{name}_log"] == np.log1p(found.column(name).sum())
    assert seen["foreign_log"] == np.log1p(found.column("foreign_count").sum())
    assert seen["names_new_log"] == np.log1p(2)


def test_a_score_does_not_depend_on_the_rows_beside_it(model: Embedder) -> None:
    rows = [
        row("Annual plans may be refunded in full within 45 days by Helga Brandt.", REFUNDS),
        row("It arrives in three days from Rotterdam. Goblins pack it.", SHIPPING, REFUNDS),
        row(None, REFUNDS),
        row("Monthly plans are refunded. " * 7, SHIPPING, REFUNDS, SHIPPING),
        row("Orders leave on Mondays.", SHIPPING),
    ]
    together = scored(rows, model)
    for k, alone in enumerate(rows):
        found = scored([alone], model)
        for metric in ("groundedness", "hallucination"):
            both = (values(found, metric)[0], values(together, metric)[k])
            assert both[0] == both[1] or all(map(np.isnan, both))
        assert found.evidence.get(0) == together.evidence.get(k)


def test_an_endless_response_gets_a_status_in_bounded_time() -> None:
    hostile = [
        row("The plan costs 5 dollars in Rome. " * 20_000, REFUNDS),
        row("word " * 100_000, REFUNDS),
        row("Rome 7 " * 100_000, REFUNDS),
        row("a" * 1_000_000, REFUNDS),
        row("Plans are refunded.", "The plan costs 5 dollars in Rome. " * 50_000),
    ]
    begin = time.process_time()
    found = scored(hostile)
    assert time.process_time() - begin < 60
    assert statuses(found) == ["over_budget"] * 5


def test_the_largest_text_within_the_limits_is_scored_in_bounded_time() -> None:
    response = "Rome paid 12 dollars to Anna 7 times. " * 390
    context = "Anna Berg of Rome paid 13 dollars 8 times to Otto. " * 3_900
    begin = time.process_time()
    found = scored([row(response, context)])
    assert time.process_time() - begin < 60
    assert statuses(found) == ["ok"]


_TEXT = st.text(
    alphabet=st.sampled_from("ab Z9.,!?\n\"'-%$é中\u0000\U0001f600"), max_size=80
) | st.sampled_from(["No.", "12 %", "Dr. Who paid $5 on 1/2/2003.", "=cmd()", "<script>", "{0}"])


@settings(max_examples=60, deadline=None)
@given(response=_TEXT, query=_TEXT, contexts=st.lists(_TEXT, max_size=3))
def test_any_text_gets_a_value_within_bounds_or_a_status(
    response: str, query: str, contexts: list[str]
) -> None:
    found = scored([{"query": query, "response": response, "contexts": contexts}])
    for metric in ("groundedness", "hallucination"):
        column = found.columns[metric]
        if column.status[0] == "ok":
            assert 0 <= column.values[0] <= 1
        else:
            assert column.status[0] in {"not_applicable", "abstained"}
    for item in found.evidence.get(0, []):
        assert 0 <= item.start < item.end <= len(response)


def test_an_empty_batch_has_no_values() -> None:
    batch = batch_of([row("x", REFUNDS)])
    empty = Batch(batch.rows.slice(0, 0), WordVectors(), prices.load(None), load_all())
    assert values(groundedness.score(empty), "groundedness") == []
