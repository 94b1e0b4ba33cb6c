"""Where bad answers went wrong: planted cases are told apart, and every bad answer has one fault."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.config import ScoringSettings, Settings
from evalkit.encoders import Embedder
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, SCORES
from evalkit.scoring import Batch, Scores, calibration, score
from evalkit.scoring.corpus import Corpus
from evalkit.scoring.ranking import Judged
from evalkit.scoring.scorers.retrieval_fault import FAULTS, bad_answers, fault_of, retrieval_fault
from tests.scoring.retrieval_story import Case, asked_with, cases, corpus_without
from tests.scoring.rows import DAY, PRICES, table

MODELS = calibration.load_all()
SOUND = {
    "response": "Refunds take five working days after the parcel is back.",
    "corrected_response": None,
    "feedback": None,
}
REFUNDS = "Refunds take five working days after the parcel is back. You get an e-mail."
LAKE = "Our office is in Zürich, near the lake."
OWLS = "Owls hunt mice at night and sleep in hollow trees."


def batch(embedder: Embedder, *rows: dict[str, Any], corpus: list[str] | None = None) -> Batch:
    made = None if corpus is None else Corpus(corpus, embedder)
    return Batch(
        table(*rows),
        embedder,
        PRICES,
        MODELS,
        corpus=None if made is None else lambda: made,
    )


def faults(found: Scores) -> list[str]:
    """The fault of each row, or why it has none."""
    names = list(found.columns)
    said = []
    for i in range(len(found.columns[names[0]].status)):
        status = found.columns[names[0]].status[i]
        ones = [name for name in names if found.columns[name].values[i] == 1]
        assert {found.columns[name].status[i] for name in names} == {status}
        assert len(ones) == (status == "ok")
        said.append(ones[0].removeprefix("fault_") if ones else status)
    return said


def only(embedder: Embedder, row: dict[str, Any], corpus: list[str] | None) -> str:
    return faults(retrieval_fault.score(batch(embedder, row, corpus=corpus)))[0]


def test_the_four_faults(embedder: Embedder) -> None:
    asked = "How long does a refund take?"
    every = [REFUNDS, LAKE, OWLS]
    declined = "I could not find that in the documents."
    assert only(embedder, asked_with(asked, [LAKE, OWLS], declined), every) == "retriever_miss"
    assert only(embedder, asked_with(asked, [LAKE, OWLS], declined), [LAKE]) == "not_in_corpus"
    late = [LAKE, OWLS, REFUNDS]
    assert only(embedder, asked_with(asked, late, declined), every) == "ranked_out"
    wrong = "Refunds take nine months."
    first = asked_with(asked, [REFUNDS, LAKE, OWLS], wrong)
    assert only(embedder, first, every) == "ignored_by_generator"
    assert only(embedder, {**first, "contexts": []}, every) == "retriever_miss"
    assert only(embedder, {**first, "contexts": []}, []) == "not_in_corpus"


def test_without_a_corpus_only_what_was_given_can_be_judged(embedder: Embedder) -> None:
    asked = "How long does a refund take?"
    assert only(embedder, asked_with(asked, [REFUNDS, LAKE], "No."), None) == "ignored_by_generator"
    assert only(embedder, asked_with(asked, [LAKE, OWLS], "No."), None) == "not_applicable"


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ({}, False),
        ({"feedback": [{"name": "user-thumbs", "value": 1.0}]}, False),
        ({"feedback": [{"name": "user-thumbs", "value": 0.0}]}, True),
        ({"feedback": [None, {"name": "toxicity", "value": 0.0}]}, False),
        ({"corrected_response": "Ten days."}, True),
        ({"corrected_response": SOUND["response"]}, False),
        ({"response": "I cannot find that in the documents."}, True),
        ({"response": "Penguins won the cup in Lima in 1974, said Alan Turing."}, True),
        ({"response": None, "corrected_response": "Ten days."}, False),
    ],
)
def test_which_answers_are_bad(embedder: Embedder, change: dict[str, Any], bad: bool) -> None:
    assert bad_answers(batch(embedder, {**SOUND, **change})) == [bad]


def test_a_row_without_a_fault_says_why(embedder: Embedder) -> None:
    bad = {**SOUND, "corrected_response": "Ten days."}
    rows = batch(
        embedder,
        SOUND,
        {**bad, "query": None},
        {**bad, "contexts": None},
        {**bad, "truncated": True},
        {**bad, "contexts": [{"id": "a", "text": "word " * 200_000}]},
        corpus=[REFUNDS],
    )
    assert faults(retrieval_fault.score(rows)) == [
        *["not_applicable"] * 3,
        "truncated",
        "over_budget",
    ]


def test_a_day_without_bad_answers_never_reads_the_corpus(embedder: Embedder) -> None:
    def never() -> Corpus:
        raise AssertionError("the corpus was read")

    rows = Batch(table(SOUND, {**SOUND, "query": None}), embedder, PRICES, MODELS, corpus=never)
    assert faults(retrieval_fault.score(rows)) == ["not_applicable"] * 2


def test_a_passage_that_is_indexed_twice_leads_all_the_same(embedder: Embedder) -> None:
    asked = "How long does a refund take?"
    twice = [REFUNDS, REFUNDS + " ", LAKE, OWLS]
    assert only(embedder, asked_with(asked, [LAKE, OWLS], "No."), twice) == "retriever_miss"


def told(cases_: list[Case], embedder: Embedder) -> list[str]:
    corpora = {name: corpus_without(embedder, name) for name in {case.corpus for case in cases_}}
    found = []
    for case in cases_:
        rows = Batch(
            table(case.row),
            embedder,
            PRICES,
            MODELS,
            corpus=lambda case=case: corpora[case.corpus],
        )
        found.extend(faults(retrieval_fault.score(rows)))
    return found


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_planted_faults_are_found_on_questions_that_no_model_was_fitted_on(
    embedder: Embedder, every: int
) -> None:
    planted = list(cases(embedder, every))
    found = told(planted, embedder)
    right = Counter(
        case.fault for case, fault in zip(planted, found, strict=True) if case.fault == fault
    )
    assert len(planted) == 240 / every
    assert right.total() >= 0.85 * len(planted), right
    assert all(right[fault] >= 0.7 * len(planted) / 4 for fault in FAULTS), right


def test_a_fault_does_not_depend_on_the_rows_beside_it(embedder: Embedder) -> None:
    planted = [case for case in cases(embedder, every=15) if case.corpus == "all"]
    whole = corpus_without(embedder, "all")
    rows = table(*(case.row for case in planted))
    together = faults(
        retrieval_fault.score(Batch(rows, embedder, PRICES, MODELS, corpus=lambda: whole))
    )
    assert together == told(planted, embedder)
    backwards = rows.take(list(range(len(planted)))[::-1])
    turned = Batch(backwards, embedder, PRICES, MODELS, corpus=lambda: whole)
    assert faults(retrieval_fault.score(turned)) == together[::-1]


@st.composite
def judgements(draw: st.DrawFn, least: int = 0) -> Judged:
    n = draw(st.integers(least, 6))
    probability = st.lists(st.floats(0, 1), min_size=n, max_size=n)
    vectors = np.random.default_rng(draw(st.integers(0, 50))).standard_normal((n, 3))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Judged(
        np.array(draw(probability), dtype=np.float64),
        np.array(draw(probability), dtype=np.float64),
        unit.astype(np.float32),
    )


@settings(deadline=None)
@given(given_=judgements(), others=judgements(), cut=st.floats(0.01, 0.99))
def test_any_judgements_give_one_fault(given_: Judged, others: Judged, cut: float) -> None:
    fault = fault_of(given_, others, cut)
    assert fault in FAULTS
    if not len(given_.relevance):
        assert fault in ("retriever_miss", "not_in_corpus")
    if not len(others.relevance):
        assert fault != "retriever_miss"
    alone = fault_of(given_, None, cut)
    assert alone in (None, "ranked_out", "ignored_by_generator")


@settings(deadline=None)
@given(others=judgements(least=2), cut=st.floats(0.01, 0.99), seed=st.integers(0, 100))
def test_the_corpus_has_no_order(others: Judged, cut: float, seed: int) -> None:
    distinct = len(set(others.relevance.tolist())) == len(others.relevance)
    turn = np.random.default_rng(seed).permutation(len(others.relevance))
    turned = Judged(others.relevance[turn], others.answers[turn], others.vectors[turn])
    nothing = Judged(np.zeros(0), np.zeros(0), np.zeros((0, 3), dtype=np.float32))
    if distinct:
        assert fault_of(nothing, others, cut) == fault_of(nothing, turned, cut)


def test_the_night_looks_among_all_chunks_that_were_ever_given(
    tmp_path: Path, embedder: Embedder
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    asked = "How long does a refund take?"
    yesterday = DAY - timedelta(days=1)
    other = asked_with("When do I get an e-mail?", [REFUNDS], "When the parcel is back.")
    lake.replace(INTERACTIONS, yesterday, table({**other, "day": yesterday}))
    lake.replace(INTERACTIONS, DAY, table(asked_with(asked, [LAKE, OWLS], "I do not know.")))
    settings = Settings(base=tmp_path, scoring=ScoringSettings(include=["retrieval_fault"]))
    score(settings, lake, DAY, embedder, PRICES)
    row = lake.read(SCORES, DAY, DAY).to_pylist()[0]
    assert {name: row[f"fault_{name}"] for name in FAULTS} == {
        "retriever_miss": 1,
        "ranked_out": 0,
        "ignored_by_generator": 0,
        "not_in_corpus": 0,
    }
    said = [e for e in row["evidence"] if e["metric"] == "retrieval_fault"]
    assert [(e["start"], e["end"]) for e in said] == [(0, len("I do not know."))]
    assert said[0]["note"] == "a better chunk was in the corpus and was not retrieved"
