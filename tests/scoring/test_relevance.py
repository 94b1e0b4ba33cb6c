"""How a response meets its question, as the numbers that the model sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evalkit.scoring import calibration
from evalkit.scoring.relevance import RELEVANCE_INPUTS, read_question, weigh
from evalkit.text import sentences

QUESTION = "When did the Eiffel Tower open?"


def inputs(
    response: str, whole: float = 0.7, near: float = 0.7, question: str = QUESTION
) -> dict[str, float]:
    spans = sentences.split(response)
    found = weigh(read_question(question), response, spans, whole, np.full(len(spans), near))
    return dict(zip(RELEVANCE_INPUTS, found.tolist(), strict=True))


def test_the_model_has_these_inputs_and_none_can_count_against_relevance() -> None:
    model = calibration.load("answer_relevance")
    assert model.features == RELEVANCE_INPUTS
    assert (model.coefficient >= 0).all()


def test_cosines_count_less_the_less_is_said() -> None:
    bare, sentence = inputs("1889", whole=0.1), inputs("It opened to visitors in May 1889.", 0.1)
    assert sentence["whole"] < bare["whole"] < 0
    assert bare["fits"] > sentence["fits"] > 0


def test_a_repeated_question_adds_nothing_however_near_it_is() -> None:
    echo = inputs("You asked when the Eiffel Tower did open. Great question!", whole=0.95)
    assert echo["adds"] == -1
    assert echo["whole"] == 0
    assert echo["news"] == -1
    assert echo["repeats"] < 0
    assert inputs("The Eiffel Tower did open in 1889.", whole=0.95)["adds"] == 0


def test_a_response_without_a_time_does_not_fit_a_when() -> None:
    assert inputs("It is a tower of iron in Paris.")["lacks_figure"] == -1
    assert inputs("It opened in 1889.")["lacks_figure"] == 0


def test_yes_and_a_chosen_alternative_are_answers_though_they_add_no_word() -> None:
    assert inputs("Yes.", question="Is the tower open?")["adds"] == 0
    chosen = inputs("A public company.", question="Is it a public or a private company?")
    assert (chosen["adds"], chosen["news"]) == (0, 0)


def test_a_response_that_asks_back_is_seen() -> None:
    assert inputs("Do you mean the Eiffel Tower?")["asks_back"] == -1
    assert inputs("It opened in 1889.")["asks_back"] == 0


@pytest.mark.parametrize("question", ["Summarize the following news.", "Please continue.", "?", ""])
def test_a_request_without_a_subject_has_nothing_to_be_relevant_to(question: str) -> None:
    assert not read_question(question).says_something


@pytest.mark.parametrize("question", ["How long?", "invoices", "Où est le bureau ?"])
def test_a_subject_or_a_kind_of_answer_is_enough(question: str) -> None:
    assert read_question(question).says_something


@given(
    question=st.text(max_size=200),
    response=st.text(max_size=400),
    whole=st.floats(-1, 1),
    near=st.floats(-1, 1),
)
def test_any_text_gives_finite_inputs_and_a_probability(
    question: str, response: str, whole: float, near: float
) -> None:
    spans = sentences.split(response)
    cosines: NDArray[np.float64] = np.full(len(spans), near)
    found = weigh(read_question(question), response, spans, whole, cosines)
    assert np.isfinite(found).all()
    assert 0 <= calibration.load("answer_relevance").probability(found[None])[0] <= 1
