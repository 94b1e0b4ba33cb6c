"""Overlap with the evidence, checked by hand and against a plain search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.alignment import Evidence, align

WORDS = st.lists(st.sampled_from(["red", "fox", "dog", "the", "sun"]), max_size=12)


def test_unsupported_words_are_marked_in_the_response() -> None:
    response = "Sure. The red fox sleeps soundly."
    found = align(response[6:], ["A red fox lives here."], offset=6)
    assert [response[start:end] for start, end in found.unsupported] == ["sleeps soundly"]
    assert (found.content_words, found.coverage) == (4, 0.5)
    assert found.longest_run == 2


def test_forms_of_a_word_meet() -> None:
    assert align("Rates increased", ["The rate may increase."]).coverage == 1.0


def test_nothing_to_align() -> None:
    empty = align("", ["text"])
    assert (empty.coverage, empty.novel_unigrams, empty.longest_run_share) == (None, None, None)
    alone = align("red fox", [])
    assert (alone.coverage, alone.novel_bigrams, alone.longest_run) == (0.0, 1.0, 0)
    assert alone.novel_trigrams is None


def test_ngrams_do_not_cross_evidence_texts() -> None:
    assert align("red fox", ["the red", "fox here"]).novel_bigrams == 1.0
    assert align("red fox", ["the red fox here"]).novel_bigrams == 0.0


@given(WORDS, st.lists(WORDS, max_size=3))
def test_longest_run_equals_a_plain_search(sentence: list[str], texts: list[list[str]]) -> None:
    joined = [f" {' '.join(text)} " for text in texts]
    runs = [sentence[i:j] for i in range(len(sentence)) for j in range(i + 1, len(sentence) + 1)]
    plain = max((len(r) for r in runs if any(f" {' '.join(r)} " in t for t in joined)), default=0)
    evidence = Evidence.of(" ".join(text) for text in texts)
    assert align(" ".join(sentence), evidence).longest_run == plain


@given(WORDS)
def test_a_copy_is_fully_supported(sentence: list[str]) -> None:
    text = " ".join(sentence)
    found = align(text, [text])
    assert found.coverage in (None, pytest.approx(1.0))
    assert found.novel_trigrams in (None, 0.0)
    assert found.longest_run == len(sentence)
    assert found.unsupported == ()
