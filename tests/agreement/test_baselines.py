"""Trivial scores by hand-made examples."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.agreement.baselines import guess, lengths, tfidf


def test_tfidf_by_hand() -> None:
    found = tfidf(["red fox", "red fox", None], [["a red fox"], ["blue"], ["red"]])
    # Texts: "red fox", "", "a red fox", "blue", "red"; the words' shares among those five.
    a, fox, red = (1 + np.log(6 / (1 + n)) for n in (1, 2, 3))
    same = (red**2 + fox**2) / np.sqrt((red**2 + fox**2) * (red**2 + fox**2 + a**2))
    assert found == pytest.approx([1 - same, 1.0, 1.0])


def test_tfidf_of_the_same_words_is_nothing_and_of_no_words_everything() -> None:
    assert tfidf(["b a", "c"], [["a b"], ["c"]]) == pytest.approx([0, 0], abs=1e-12)
    assert tfidf([None, "?"], [[], ["!"]]).tolist() == [1.0, 1.0]


def test_tfidf_does_not_hang_on_repeated_rows() -> None:
    responses, contexts = ["red fox", "blue"], [["a red fox"], ["green sea"]]
    once = tfidf(responses, contexts)
    assert tfidf(responses * 3, contexts * 3).tolist() == once.tolist() * 3


def test_a_guess_is_the_rate_of_the_group() -> None:
    labels = np.array([1, 0, 0, 1], dtype=np.bool_)
    assert guess(labels, ["x", "x", "x", "y"]).tolist() == pytest.approx([1 / 3] * 3 + [1])
    assert guess(labels[:0], []).tolist() == []


def test_a_length_is_counted_in_words() -> None:
    assert lengths(["It grew 12,000 times.", None, ""]).tolist() == [4, 0, 0]
