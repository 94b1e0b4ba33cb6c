"""How rare words are in English at large."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.rarity import MOST, level, rarity
from evalkit.text.tokens import stem


def test_common_words_are_common_and_unknown_ones_rare() -> None:
    known = [rarity(stem(word)) for word in ("the", "music", "airport", "szczecin")]
    assert known == sorted(known)
    assert known[0] < 1
    assert known[-1] == MOST


def test_a_word_in_each_document_has_no_weight() -> None:
    assert level(1000, 1000) == 0
    assert level(1000, 10) > level(1000, 100) > 0


@given(st.text(max_size=20))
def test_any_word_has_a_rarity(word: str) -> None:
    assert 0 <= rarity(word) <= MOST
