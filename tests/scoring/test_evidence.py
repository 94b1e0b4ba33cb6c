"""Which context sentences a claim is read against."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evalkit.scoring.evidence import EVIDENCE_WORDS, choose


def test_all_of_a_short_context_is_evidence() -> None:
    assert choose(np.zeros(3), np.zeros((2, 3)), np.array([0.5, 0.5]), [10, 20, 30]) == [0, 1, 2]


def test_two_sentences_that_hold_half_of_the_claim_each_are_chosen_together() -> None:
    hits = np.array([[1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 1, 0]], dtype=float)
    cosine = np.array([0.5, 0.1, 0.3, 0.5])
    assert choose(cosine, hits, np.full(4, 0.25), [40, 40, 40, 40]) == [0, 2]


def test_evidence_stays_in_the_order_of_the_text() -> None:
    hits = np.array([[0, 0, 1], [1, 0, 0]], dtype=float)
    assert choose(np.array([0.1, 0.0, 0.9]), hits, np.array([0.5, 0.5]), [45, 60, 45]) == [0, 2]


@given(st.data())
def test_there_is_always_evidence_and_it_fits(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 12))
    words = data.draw(st.integers(0, 5))
    sizes = data.draw(st.lists(st.integers(0, 200), min_size=n, max_size=n))
    cosine = np.array(data.draw(st.lists(st.floats(-1, 1), min_size=n, max_size=n)))
    flat = data.draw(st.lists(st.booleans(), min_size=n * words, max_size=n * words))
    hits = np.array(flat, dtype=float).reshape(words, n)
    chosen = choose(cosine, hits, np.full(words, 1 / max(words, 1)), sizes)
    assert chosen
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 1 or sum(sizes[j] for j in chosen) <= EVIDENCE_WORDS
